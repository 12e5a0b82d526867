import assert from "node:assert/strict";
import { test } from "node:test";
import { GatewayClock } from "../../core/gateway-clock.ts";
import { Logger } from "../../core/log.ts";
import { type Batch, GOOD, STALE } from "../../core/sample.ts";
import { buildSignalTable } from "../../core/signals.ts";
import { ClockKeeper } from "../../daemon/clock-keeper.ts";
import { clockIsTrusted } from "../../daemon/clock-trust.ts";
import { Pipeline } from "../../daemon/pipeline/pipeline.ts";
import { FakeMachine, TRUE_START_MS } from "../support/fake-machine.ts";

test("a time record that a dying storage thread may not have stored is told again, to each boot its own", () => {
  const machine = new FakeMachine(0);
  const clock = new GatewayClock({ synced: false, leastMs: TRUE_START_MS + 60_000, system: machine });
  const told: string[] = [];
  const order: string[] = [];
  const keeper = new ClockKeeper({
    clock,
    log: new Logger("clock", () => undefined),
    pipeline: {
      finish: () => order.push(`finish in ${clock.era}`),
      rebase: () => order.push(`rebase in ${clock.era}`),
    },
    handOff: {
      flush: (watermark) => order.push(`flush ${watermark} in ${clock.era}`),
      newEra: () => order.push(`newEra in ${clock.era}`),
    },
    tellTime: ({ body }) => told.push(body),
    tellStep: () => assert.fail("no step"),
  });
  keeper.storageReady(7);
  keeper.tick();
  assert.equal(told.length, 0);
  keeper.trust();
  keeper.tick();
  assert.equal(told.length, 1);
  const [, offset] = /"time":\{"boot":7,"offset_ms":(-\d+)\}/.exec(told[0]!)!;
  assert.ok(Math.abs(Number(offset) + 60_000 - machine.mono) <= 1, offset);
  assert.deepEqual(order, ["finish in 0", "flush 0 in 0", "rebase in 1", "newEra in 1"]);
  keeper.durable(0);
  keeper.storageReady(8);
  assert.deepEqual(told.slice(1), [told[0], told[0]!.replace("7", "8")]);
  keeper.durable(1);
  keeper.storageReady(9);
  assert.deepEqual(told.slice(3), [told[0]!.replace("7", "9")]);
});

test("the keeper that goes on with the clock after a reload tells the boots before it, too", () => {
  const machine = new FakeMachine(0);
  const clock = new GatewayClock({ synced: false, leastMs: TRUE_START_MS + 60_000, system: machine });
  const told: string[] = [];
  const options = {
    clock,
    log: new Logger("clock", () => undefined),
    pipeline: { finish: () => 0, rebase: () => 0 },
    handOff: { flush: () => undefined, newEra: () => undefined },
    tellTime: ({ body }: { readonly body: string }) => void told.push(/"boot":(\d+)/.exec(body)?.[1] ?? body),
    tellStep: () => assert.fail("no step"),
  };
  const first = new ClockKeeper(options);
  first.storageReady(7);
  const second = new ClockKeeper({ ...options, untold: first.untold });
  second.storageReady(8);
  second.trust();
  second.tick();
  assert.deepEqual(told, ["7", "8"]);
  assert.deepEqual(second.untold, [], "nothing is left for a third one");
});

test("what the pipeline remembers moves with the clock: a stale sample keeps its age, an interval its length", () => {
  const clock = {
    ms: TRUE_START_MS,
    jumpedMs: 0,
    synced: true,
    monoMs: (): number => clock.ms,
    wallUs: (): number => (clock.ms + clock.jumpedMs) * 1000,
    fromSystemUs: (us: number): number => us,
  };
  const collect = { minMs: 1000, maxMs: 60_000 };
  const signals = [
    { name: "A", type: "number" as const, maxAgeMs: 3000, collect },
    { name: "B", type: "number" as const, maxAgeMs: 5000, collect: "every" as const },
  ];
  const table = buildSignalTable("gw", "test", [{ id: "m", kind: "vehicle", source: "s", signals }]);
  const kept: Batch[] = [];
  const pipeline = new Pipeline({ table, clock, send: () => undefined, store: (batch) => kept.push(batch) });
  const read = (value: number) =>
    pipeline.take({ tUs: clock.wallUs(), numbers: [1], values: [value], quality: [GOOD] });
  read(1);
  pipeline.take({ tUs: clock.wallUs(), numbers: [2], values: [7], quality: [GOOD] });
  clock.ms += 200;
  pipeline.tick();
  clock.jumpedMs = -86_400_000;
  assert.equal(pipeline.rebase(-86_400_000_000), clock.ms - 86_400_000 - 100);
  read(2);
  assert.equal(kept.length, 2, "a change within a second is held");
  clock.ms += 1400;
  pipeline.tick();
  assert.deepEqual(kept.at(-1)?.values, [2]);
  clock.ms += 4000;
  pipeline.tick();
  const stale = kept.filter(({ quality }) => quality[0] === STALE);
  assert.deepEqual(
    stale.map(({ numbers, tUs }) => [numbers[0], tUs / 1000 - TRUE_START_MS + 86_400_000]),
    [
      [1, 200],
      [2, 0],
    ],
  );
});

test("the clock is believed when systemd says so; without systemd when it is later than the build date", async () => {
  const now = Date.UTC(2030, 0, 1);
  const systemd = (answer: string) => ({ hasSystemd: () => true, ntpSynchronized: async () => answer });
  assert.equal(await clockIsTrusted(now, systemd("yes\n")), true);
  assert.equal(await clockIsTrusted(now, systemd("no\n")), false);
  const broken = { hasSystemd: () => true, ntpSynchronized: () => Promise.reject(new Error("no such program")) };
  assert.equal(await clockIsTrusted(now, broken), false);
  const none = { hasSystemd: () => false, ntpSynchronized: () => assert.fail("nobody to ask") };
  assert.equal(await clockIsTrusted(now, none), true);
  assert.equal(await clockIsTrusted(0, none), false);
  assert.equal(await clockIsTrusted(0, systemd("yes\n")), false, "systemd was told wrong");
});
