/**
 * Time without an RTC, through everything that touches a sample's time: clock, pipeline, hand-off, outbox. BUSBAR_SEED
 * repeats a run.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { GatewayClock } from "../../core/gateway-clock.ts";
import { Logger } from "../../core/log.ts";
import { parseRecord } from "../../core/record.ts";
import { GOOD } from "../../core/sample.ts";
import { type AssetSpec, buildSignalTable } from "../../core/signals.ts";
import { ClockKeeper, type ClockStepEvent } from "../../daemon/clock-keeper.ts";
import { Pipeline } from "../../daemon/pipeline/pipeline.ts";
import { HandOff } from "../../store-forward/hand-off.ts";
import type { Outbox } from "../../store-forward/outbox/outbox.ts";
import type { ToStorage } from "../../store-forward/protocol.ts";
import { all, bench } from "../store-forward/outbox/support.ts";
import { FakeMachine, randomOf, TRUE_START_MS } from "../support/fake-machine.ts";

const STORED_MS = TRUE_START_MS - 3_600_000;
const ROUNDS = 25;
/** Seeds of single rounds that failed once. */
const REGRESSIONS = [
  // True before the first sample was taken.
  1_597_863_960,
  // Two steps between two ticks that undid each other but for less than what is followed without a jump.
  1_367_310_630, 2_033_782_192,
];
/** More than the clock follows without a jump. */
const LEAST_STEP_MS = 60;

interface Taken {
  readonly trueMs: number;
  readonly tMs: number;
  readonly synced: boolean;
  readonly era: number;
}

function site(t: TestContext, wrongMs: number, synced: boolean) {
  const machine = new FakeMachine(wrongMs);
  const clock = new GatewayClock({ synced, leastMs: STORED_MS, system: machine });
  const asset: AssetSpec = {
    id: "m",
    kind: "meter",
    source: "s",
    signals: [{ name: "A", type: "number", maxAgeMs: 1e9, collect: "every" }],
  };
  const table = buildSignalTable("gw", "test", [asset]);
  const { birth, birthId } = table;
  const outbox = bench(t).open({ birth, birthId, synced, clock: storeClock(machine, clock) });
  /** Samples, in order: handed to storage, committed by it. */
  const counts = { posted: 0, onDisk: 0, era: 0 as number | undefined };
  const post = (message: ToStorage): void => {
    if (message.type === "critical") outbox.takeCritical(message);
    if (message.type !== "batches") return;
    // With a new era storage commits what it has.
    if (message.era !== counts.era) counts.onDisk = counts.posted;
    counts.era = message.era;
    outbox.take(message);
    counts.posted += message.samples;
    handOff.taken();
  };
  const handOff = new HandOff({ post, clock, maxPending: 4, bufferBytes: 64 * 1024 });
  const pipeline = new Pipeline({ table, clock, send: () => undefined, store: (batch) => handOff.add(batch) });
  const steps: ClockStepEvent[] = [];
  const keeper = new ClockKeeper({
    clock,
    log: new Logger("clock", () => undefined),
    pipeline,
    handOff,
    tellTime: (record) => post({ type: "critical", kind: "time", synced: true, ...record }),
    tellStep: (event) => steps.push(event),
  });
  keeper.storageReady(outbox.boot);
  const taken: Taken[] = [];
  const sample = (): void => {
    const tUs = clock.wallUs();
    taken.push({ trueMs: machine.trueMs, tMs: Math.floor(tUs / 1000), synced: clock.synced, era: clock.era });
    pipeline.take({ tUs, numbers: [1], values: [taken.length - 1], quality: [GOOD] });
  };
  const tick = (): void => {
    keeper.tick();
    handOff.flush(pipeline.tick());
  };
  const commit = (seal = false): void => {
    outbox.commit({ seal });
    counts.onDisk = counts.posted;
    const { durable_until: until, clock_jumps: era = 0 } = outbox.status();
    handOff.durable(until, era);
    keeper.durable(era);
  };
  const parts = { machine, clock, outbox, handOff, pipeline, keeper };
  return { ...parts, syncedAtStart: synced, steps, taken, counts, sample, tick, commit };
}

function storeClock(machine: FakeMachine, clock: GatewayClock) {
  return { monoMs: () => machine.monoMs(), wallMs: () => Math.floor(clock.wallUs() / 1000) };
}

type Site = ReturnType<typeof site>;

/** Nothing that is still on its way to the disk has a time up to what is claimed. */
function checkClaim({ outbox, taken, counts }: Site): void {
  const { durable_until: until } = outbox.status();
  for (const [index, { tMs }] of taken.entries()) {
    assert.ok(tMs > until || index < counts.onDisk, `sample ${index} of ${tMs} is not on disk, ${until} is claimed`);
  }
}

/** Samples in sealed records by their value, which is their number. */
function stored(outbox: Outbox) {
  const found = new Map<number, { ms: number; sync: boolean; boot: number; order: number }>();
  for (const { plain } of all(outbox, "t")) {
    const { t0, g = [], sync, boot } = parseRecord(plain);
    for (const { t, s } of g) {
      let ms = t0;
      for (const [at, delta] of t.entries()) {
        ms += delta;
        const value = s.A?.[at] as number;
        assert.ok(!found.has(value), `sample ${value} came twice`);
        found.set(value, { ms, sync, boot, order: found.size });
      }
    }
  }
  return found;
}

/** Runs to the end and checks order, uniqueness, durations, and that the `time` record gives back true times. */
function checkAll(run: Site, context: string): void {
  const { outbox, taken } = run;
  outbox.commit({ seal: true, final: true });
  const found = stored(outbox);
  assert.equal(found.size, taken.length, context);
  const critical = all(outbox, "c").map(({ plain }) => parseRecord(plain));
  const times = critical.filter(({ k }) => k === "time");
  // Of the boot, not of its samples: events have times too, and it may have taken neither.
  assert.equal(times.length, !run.syncedAtStart && run.clock.synced ? 1 : 0, `${context}: time records`);
  const time = times[0]?.time;
  for (const [index, sample] of taken.entries()) {
    const record = found.get(index)!;
    const told = `${context}: sample ${index}`;
    assert.equal(record.order, index, `${told} is out of order`);
    assert.equal(record.sync, sample.synced, told);
    assert.equal(record.ms, sample.tMs, told);
    const before = taken[index - 1];
    if (before?.era === sample.era) {
      const error = sample.tMs - before.tMs - (sample.trueMs - before.trueMs);
      assert.ok(Math.abs(error) <= 2, `${told}: the time since the last one is wrong by ${error} ms`);
    }
    if (record.sync || time === undefined) continue;
    assert.equal(time.boot, record.boot);
    const error = record.ms + time.offset_ms - sample.trueMs;
    assert.ok(Math.abs(error) <= 5, `${told}: corrected, it is wrong by ${error} ms`);
  }
}

/** 150 turns of samples, steps, commits and, mostly, a synchronisation, all of it by the seed. */
function randomRound(t: TestContext, seed: number, context: string): void {
  const random = randomOf(seed);
  const syncedAtStart = random() < 0.2;
  const run = site(t, syncedAtStart ? 0 : random() < 0.5 ? -TRUE_START_MS : (random() - 0.5) * 4e6, syncedAtStart);
  const { machine } = run;
  let trusted = syncedAtStart;
  let due = machine.mono + 100;
  let wrongAtTickMs = machine.wrongMs;
  const tick = (): void => {
    run.tick();
    wrongAtTickMs = machine.wrongMs;
  };
  for (let turn = 0; turn < 150; turn++) {
    machine.mono += random() * 60;
    if (random() < 0.6) run.sample();
    // Once it is true the clock is set by hands that make mistakes; until then, by anybody.
    // Moves that are followed bit by bit are the unit tests': neither one such nor what several leave of each other.
    if (random() < 0.04) {
      const stepMs = (random() < 0.5 ? -1 : 1) * (LEAST_STEP_MS + random() * 10 ** (2 + 5 * random()));
      if (Math.abs(machine.wrongMs + stepMs - wrongAtTickMs) >= LEAST_STEP_MS) machine.wrongMs += stepMs;
    }
    if (!trusted && random() < 0.015) {
      machine.wrongMs = 0;
      trusted = true;
      run.keeper.trust();
      tick();
    }
    if (machine.mono >= due) {
      tick();
      due += 100;
      checkClaim(run);
    }
    if (random() < 0.1) run.commit();
    if (random() < 0.05) run.commit(true);
  }
  checkClaim(run);
  tick();
  run.handOff.finish(run.pipeline.finish());
  checkAll(run, context);
  run.outbox.close();
}

test("random steps, a random synchronisation: order, uniqueness, durations, corrected times, honest claims", (t) => {
  const seed = Number(process.env.BUSBAR_SEED ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`seed ${seed}`);
  for (let round = 0; round < ROUNDS; round++) randomRound(t, seed + round, `seed ${seed}, round ${round}`);
});

test("rounds that failed once", (t) => {
  for (const seed of REGRESSIONS) randomRound(t, seed, `round of seed ${seed}`);
});

test("the clock becomes true: one time record after everything before it, and none of its samples marked true", (t) => {
  const run = site(t, -TRUE_START_MS, false);
  run.sample();
  run.machine.mono += 2000;
  run.sample();
  run.machine.wrongMs = 0;
  run.keeper.trust();
  run.tick();
  run.tick();
  run.sample();
  run.handOff.finish(run.pipeline.finish());
  checkAll(run, "one synchronisation");
  const [time] = all(run.outbox, "c").map(({ plain }) => parseRecord(plain));
  assert.deepEqual([time?.k, time?.sync, time?.time?.boot], ["time", true, run.outbox.boot]);
  const records = all(run.outbox, "t").map(({ plain }) => parseRecord(plain));
  assert.deepEqual(
    records.map(({ sync }) => sync),
    [false, true],
  );
});

test("a step of more than a second is told, and parts the records; a smaller one is not told", (t) => {
  const run = site(t, 0, true);
  run.sample();
  run.machine.mono += 100;
  run.machine.wrongMs = 700;
  run.tick();
  assert.equal(run.steps.length, 0);
  run.sample();
  run.machine.wrongMs = -3_600_000;
  run.tick();
  run.sample();
  const [step] = run.steps;
  assert.deepEqual([run.steps.length, step?.type, step?.severity], [1, "clock-step", "warning"]);
  assert.ok(Math.abs((step?.step_ms ?? 0) + 3_600_700) <= 2, `${step?.step_ms}`);
  run.handOff.finish(run.pipeline.finish());
  checkAll(run, "two steps");
  assert.equal(all(run.outbox, "t").length, 3);
});

test("a step back lowers what is claimed to be durable, until the new times are on disk", (t) => {
  const run = site(t, 0, true);
  run.sample();
  for (let turn = 0; turn < 3; turn++) {
    run.machine.mono += 600;
    run.tick();
  }
  run.commit();
  const before = run.outbox.status().durable_until;
  assert.ok(before >= run.taken[0]!.tMs);
  run.machine.wrongMs = -600_000;
  run.tick();
  run.sample();
  run.machine.mono += 300;
  run.tick();
  checkClaim(run);
  assert.ok(run.outbox.status().durable_until < run.taken[1]!.tMs);
  run.machine.mono += 300;
  run.tick();
  run.machine.mono += 300;
  run.tick();
  run.commit();
  const { durable_until: until, clock_jumps: jumps } = run.outbox.status();
  assert.ok(until >= run.taken[1]!.tMs && until < before, `${until}`);
  assert.equal(jumps, 1);
});

test("an event of before the synchronisation is not marked true, however late it is committed", (t) => {
  const run = site(t, -TRUE_START_MS, false);
  run.outbox.takeCritical({ kind: "event", t0: 1, body: '"event":{"type":"test"}' });
  run.outbox.takeCritical({ kind: "time", t0: 2, body: `"time":{"boot":${run.outbox.boot},"offset_ms":5}` });
  run.outbox.commit();
  const critical = all(run.outbox, "c").map(({ plain }) => parseRecord(plain));
  assert.deepEqual(
    critical.map(({ k, sync }) => [k, sync]),
    [
      ["event", false],
      ["time", true],
    ],
  );
});
