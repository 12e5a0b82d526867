import assert from "node:assert/strict";
import { test } from "node:test";
import { gapsDue } from "../../../store-forward/outbox/gaps.ts";
import type { GapRow } from "../../../store-forward/outbox/schema.ts";
import { T0 } from "./support.ts";

const GAP: GapRow = {
  id: 1,
  stream: "t",
  epoch: "k3f9a1c2",
  seq_from: 1,
  seq_to: 2,
  samples: 3,
  reason: "full",
  t0: T0,
  t1: T0,
  since_ms: T0,
};

test("a gap that may grow is told after an hour, with a link after an interval, at the end, and when the clock went back", () => {
  const later = { linkUp: false, publishIntervalMs: 10_000, all: false };
  const told = (passedMs: number, how = {}): boolean =>
    gapsDue([GAP], { ...later, ...how, nowMs: T0 + passedMs }).length === 1;
  assert.deepEqual([told(3_599_999), told(3_600_000)], [false, true]);
  assert.deepEqual([told(9_999, { linkUp: true }), told(10_000, { linkUp: true })], [false, true]);
  assert.equal(told(0, { all: true }), true);
  assert.equal(told(-1), true, "its age says nothing");
});
