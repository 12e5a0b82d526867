import assert from "node:assert/strict";
import { test } from "node:test";
import { SystemClock } from "../../core/clock.ts";
import { BusbarError } from "../../core/errors.ts";
import { Logger } from "../../core/log.ts";
import { type Batch, GOOD } from "../../core/sample.ts";
import { type LossEvent, type SourceEvent, SupervisedSource } from "../../daemon/source.ts";
import type { Driver, DriverContext } from "../../drivers/driver.ts";

type Run = (context: DriverContext, signal: AbortSignal) => Promise<void>;

function supervise(runs: Run[]) {
  const events: SourceEvent[] = [];
  const levels: string[] = [];
  const waits: number[] = [];
  const asset = { kind: "meter", source: "line", signals: [] } as const;
  const driver: Driver = {
    id: "line",
    label: "modbus tcp 10.0.0.5:502",
    hazards: [],
    assets: [
      { ...asset, id: "a" },
      { ...asset, id: "b" },
    ],
    run: (context, signal) => (runs.shift() ?? untilAborted)(context, signal),
  };
  const source = new SupervisedSource({
    driver,
    clock: new SystemClock(),
    log: new Logger("test", ({ level }) => levels.push(level)),
    number: () => 1,
    emit: () => undefined,
    onEvent: (event) => events.push(event),
    wait: (ms) => {
      waits.push(ms);
      return turn();
    },
  });
  return { source, events, levels, waits };
}

const untilAborted: Run = (_context, signal) => {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
};

const lost = (): BusbarError => new BusbarError("BUS_UNREACHABLE", "modbus tcp 10.0.0.5:502: connection refused");

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a failed driver is run again; the failure is told once, the return too", async () => {
  const stop = new AbortController();
  const { source, events, waits } = supervise([
    () => Promise.reject(lost()),
    () => Promise.reject(lost()),
    (context, signal) => {
      context.report("a", undefined);
      return untilAborted(context, signal);
    },
  ]);
  const done = source.run(stop.signal);
  while (waits.length === 0) await Promise.resolve();
  assert.equal(source.status().state, "down");
  assert.match(source.status().error ?? "", /connection refused/);
  while (source.status().restarts < 2) await turn();
  await turn();
  assert.ok(waits[0]! <= 250 && waits[1]! > 250, `backoff grows: ${waits}`);
  assert.deepEqual(
    events.map((event) => [event.type, "asset" in event ? event.asset : undefined]),
    [
      ["source-down", undefined],
      ["device-up", "a"],
      ["source-up", undefined],
    ],
  );
  stop.abort();
  await done;
});

test("one silent device makes the source degraded, not down", async () => {
  const stop = new AbortController();
  const timeout = new BusbarError("DEVICE_TIMEOUT", "unit 2: no reply in 500 ms");
  const { source, events } = supervise([
    (context, signal) => {
      context.report("a", undefined);
      context.report("b", timeout);
      context.report("b", timeout);
      return untilAborted(context, signal);
    },
  ]);
  const done = source.run(stop.signal);
  const { state, devices } = source.status();
  assert.equal(state, "degraded");
  assert.deepEqual(devices, [
    { asset: "a", ok: true },
    { asset: "b", ok: false, error: "unit 2: no reply in 500 ms" },
  ]);
  assert.equal(events.length, 1);
  stop.abort();
  await done;
});

test("a driver's own mistake does not escape, and is logged as an error", async () => {
  const stop = new AbortController();
  const { source, levels } = supervise([
    () => {
      throw new TypeError("undefined is not a function");
    },
  ]);
  const done = source.run(stop.signal);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(source.status().state, "down");
  assert.ok(levels.includes("error"));
  stop.abort();
  await done;
});

test("given to another gateway it runs on, and its numbers are translated to that one's", async () => {
  const stop = new AbortController();
  const signal = { type: "number", maxAgeMs: 900, collect: "every" } as const;
  const asset = { id: "a", kind: "meter", source: "line" } as const;
  let context: DriverContext | undefined;
  const driver: Driver = {
    id: "line",
    label: "modbus tcp 10.0.0.5:502",
    hazards: [],
    assets: [
      {
        ...asset,
        signals: [
          { ...signal, name: "A" },
          { ...signal, name: "B", maxAgeMs: 300 },
        ],
      },
    ],
    run: (given, aborted) => {
      context = given;
      return untilAborted(given, aborted);
    },
  };
  const gateway = (first: number) => {
    const taken: Batch[] = [];
    const events: string[] = [];
    return {
      taken,
      events,
      number: (_asset: string, name: string) => (name === "A" ? first : first + 1),
      emit: (batch: Batch) => void taken.push(batch),
      onEvent: ({ type }: SourceEvent) => void events.push(type),
    };
  };
  const [one, two, three] = [gateway(1), gateway(5), gateway(1)];
  const log = new Logger("test", () => undefined);
  const source = new SupervisedSource({ ...one, driver, clock: new SystemClock(), log, wait: turn });
  const done = source.run(stop.signal);
  const batch: Batch = { tUs: 1, numbers: [1, 2], values: [10, 20], quality: [GOOD, GOOD] };
  for (const owner of [one, two, three]) {
    if (owner !== one) source.giveTo(owner);
    context?.emit(batch);
    context?.report("a", owner === two ? lost() : undefined);
  }
  assert.deepEqual(one.taken, [batch]);
  assert.deepEqual(two.taken, [{ ...batch, numbers: [5, 6] }]);
  assert.deepEqual(three.taken, [batch]);
  assert.deepEqual([one.events, two.events, three.events], [[], ["device-down"], ["device-up"]]);
  assert.equal(source.status().batches, 3);
  stop.abort();
  await done;
});

test("its pulse moves with all that it does; what is told as trouble is known to be bad", async () => {
  const stop = new AbortController();
  let context: DriverContext | undefined;
  const { source, waits } = supervise([
    () => Promise.reject(lost()),
    (given, signal) => {
      context = given;
      return untilAborted(given, signal);
    },
  ]);
  assert.deepEqual(source.pulse(), { id: "line", moves: 0, knownBad: false, restMs: 0 });
  const done = source.run(stop.signal);
  while (waits.length === 0) await turn();
  assert.equal(source.pulse().knownBad, true);
  while (context === undefined) await turn();
  const moves: number[] = [source.pulse().moves];
  context.emit({ tUs: 1, numbers: [1], values: [1], quality: [GOOD] });
  moves.push(source.pulse().moves);
  context.report("a", undefined);
  moves.push(source.pulse().moves);
  assert.deepEqual(moves, [1, 2, 3]);
  assert.equal(source.pulse().knownBad, false);
  context.report("a", lost());
  assert.equal(source.pulse().knownBad, true, "the other device failed before, and never answered since");
  stop.abort();
  await done;
});

test("what a driver could not read is counted in the status, logged as an error, and an event", async () => {
  const stop = new AbortController();
  const why = "the kernel's receive queue was full; raise net.core.rmem_default";
  const { source, events, levels } = supervise([
    (context, signal) => {
      context.lost({ frames: 1200, fromMs: 0, toMs: 10.5, why });
      return untilAborted(context, signal);
    },
  ]);
  assert.equal(source.status().lost, 0);
  const done = source.run(stop.signal);
  assert.equal(source.status().lost, 1200);
  assert.deepEqual(levels, ["error"]);
  const [{ from, to, ...event }] = events as [LossEvent];
  assert.ok(Number.isInteger(from) && Number.isInteger(to) && to - from >= 10 && to - from <= 12, `${from} to ${to}`);
  const text = `modbus tcp 10.0.0.5:502: 1200 frames lost: ${why}`;
  assert.deepEqual(event, { type: "frames-lost", severity: "error", source: "line", frames: 1200, text });
  stop.abort();
  await done;
});
