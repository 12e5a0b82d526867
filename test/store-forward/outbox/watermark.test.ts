import assert from "node:assert/strict";
import { test } from "node:test";
import { Watermark } from "../../../store-forward/outbox/watermark.ts";

const NO_SAMPLES = Number.POSITIVE_INFINITY;

/** Era 0 is on disk up to 1000; 1500 of it was handed over since. */
function claimed(): Watermark {
  const watermark = new Watermark();
  watermark.take({ watermark: 1000 }, 900);
  watermark.committed();
  watermark.take({ watermark: 1500 }, 1100);
  assert.deepEqual([watermark.durableUntil, watermark.era, watermark.durableEra], [1000, 0, 0]);
  return watermark;
}

test("within an era the newest watermark wins, whichever order they come in", () => {
  const watermark = claimed();
  watermark.take({ watermark: 1200, era: 0 }, 100);
  assert.equal(watermark.durableUntil, 1000, "what was claimed stays claimed");
  watermark.committed();
  assert.equal(watermark.durableUntil, 1500);
});

test("a new era cuts the claim to its watermark and to before its own samples, and never raises it", () => {
  const cuts: [watermark: number, earliestMs: number, durableUntil: number][] = [
    [400, NO_SAMPLES, 400],
    [700, 300, 299],
    [300, 700, 300],
    [700, 701, 700],
    [9000, NO_SAMPLES, 1000],
    [9000, 8000, 1000],
    [9000, 1000, 999],
  ];
  for (const [ms, earliestMs, durableUntil] of cuts) {
    const watermark = claimed();
    watermark.take({ watermark: ms, era: 1 }, earliestMs);
    const told = `watermark ${ms}, samples from ${earliestMs}`;
    assert.deepEqual([watermark.durableUntil, watermark.era, watermark.durableEra], [durableUntil, 1, 0], told);
    watermark.committed();
    assert.deepEqual([watermark.durableUntil, watermark.era, watermark.durableEra], [ms, 1, 1], told);
  }
});

test("an era that comes before the one before is on disk cuts again; only then is all of both claimed", () => {
  const watermark = claimed();
  watermark.take({ watermark: 800, era: 1 }, 750);
  watermark.take({ watermark: 820, era: 1 }, 790);
  assert.equal(watermark.durableUntil, 749);
  watermark.take({ watermark: 600, era: 2 }, 590);
  assert.deepEqual([watermark.durableUntil, watermark.durableEra], [589, 0]);
  watermark.committed();
  assert.deepEqual([watermark.durableUntil, watermark.durableEra], [600, 2], "the newest era's, though lower");
});
