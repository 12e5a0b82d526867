import assert from "node:assert/strict";
import { test } from "node:test";
import { BAD, type Batch, GOOD, STALE } from "../../core/sample.ts";
import type { CollectRule, SignalEntry } from "../../core/signals.ts";
import { Collector } from "../../daemon/pipeline/collect.ts";

const ON_CHANGE: CollectRule = { minMs: 1000, maxMs: 60_000 };

function entry(n: number, collect: CollectRule): SignalEntry {
  return { n, asset: "van-7", source: "can0", name: `S${n}`, type: "number", maxAgeMs: 2000, collect };
}

function at(ms: number, value: number | null, quality: 0 | 1 | 2 = GOOD): Batch {
  return { tUs: ms * 1000, numbers: [1], values: [value], quality: [quality] };
}

/** Times in milliseconds of what is kept of frames `[ms, value]`. */
function keptTimes(frames: readonly (readonly [number, number])[]): number[] {
  const collector = new Collector([entry(1, ON_CHANGE)]);
  return frames.flatMap(([ms, value]) => (collector.take(at(ms, value)) === undefined ? [] : [ms]));
}

test("a rule of every keeps each sample, changed or not", () => {
  const collector = new Collector([entry(1, "every")]);
  const batch = at(0, 5);
  assert.equal(collector.take(batch), batch);
  assert.equal(collector.take(batch), batch);
});

test("a signal that changes with each frame is kept once a second", () => {
  const frames = Array.from({ length: 31 }, (_, i) => [i * 100, i] as const);
  assert.deepEqual(keptTimes(frames), [0, 1000, 2000, 3000]);
});

test("a frame of one-second cycle that comes a little early is not skipped", () => {
  assert.deepEqual(
    keptTimes([
      [0, 1],
      [998, 2],
      [1997, 3],
      [3001, 4],
    ]),
    [0, 998, 1997, 3001],
  );
});

test("a constant signal is kept once a minute", () => {
  const frames = Array.from({ length: 125 }, (_, i) => [i * 1000, 7] as const);
  assert.deepEqual(keptTimes(frames), [0, 57_000, 114_000]);
});

test("a lone early change is kept by the sweep, with its own time", () => {
  const collector = new Collector([entry(1, ON_CHANGE)]);
  collector.take(at(0, 1));
  assert.equal(collector.take(at(300, 2)), undefined);
  assert.equal(collector.oldestPendingUs(), 300_000);
  assert.deepEqual(collector.sweep(1_400_000), []);
  assert.deepEqual(collector.sweep(1_500_000), [{ tUs: 300_000, numbers: [1], values: [2], quality: [GOOD] }]);
  assert.equal(collector.oldestPendingUs(), Number.POSITIVE_INFINITY);
});

test("a change that went back is not kept", () => {
  const collector = new Collector([entry(1, ON_CHANGE)]);
  collector.take(at(0, 1));
  collector.take(at(300, 2));
  collector.take(at(400, 1));
  assert.deepEqual(collector.sweep(9_000_000, true), []);
});

test("turning bad is a change; staleness is kept whenever it comes", () => {
  const collector = new Collector([entry(1, ON_CHANGE)]);
  collector.take(at(0, 1));
  assert.ok(collector.take(at(1000, null, BAD)));
  assert.ok(collector.take(at(1000, null, STALE)));
});

test("of a frame only the signals that are due are kept", () => {
  const collector = new Collector([entry(1, ON_CHANGE), entry(2, "every"), entry(3, ON_CHANGE)]);
  const frame = (ms: number, values: number[]): Batch => {
    return { tUs: ms * 1000, numbers: [1, 2, 3], values, quality: [GOOD, GOOD, GOOD] };
  };
  collector.take(frame(0, [1, 1, 1]));
  assert.deepEqual(collector.take(frame(1000, [2, 1, 1])), {
    tUs: 1_000_000,
    numbers: [1, 2],
    values: [2, 1],
    quality: [GOOD, GOOD],
  });
});

test("a clock that stepped back by an hour does not silence a signal", () => {
  assert.deepEqual(
    keptTimes([
      [7_200_000, 1],
      [3_600_000, 2],
      [3_601_000, 3],
    ]),
    [7_200_000, 3_600_000, 3_601_000],
  );
});

test("after a loss the next sample of each signal is kept, changed or not, and what is held at once", () => {
  const collector = new Collector([entry(1, ON_CHANGE), entry(2, ON_CHANGE)]);
  const both = (ms: number, values: [number, number]): Batch => {
    return { tUs: ms * 1000, numbers: [1, 2], values, quality: [GOOD, GOOD] };
  };
  collector.take(both(0, [1, 1]));
  assert.equal(collector.take(both(100, [1, 2])), undefined);
  collector.forget();
  assert.deepEqual(collector.sweep(110_000), [{ tUs: 100_000, numbers: [2], values: [2], quality: [GOOD] }]);
  assert.deepEqual(collector.take(both(200, [1, 2]))?.numbers, [1]);
  assert.equal(collector.take(both(300, [1, 2])), undefined);
});
