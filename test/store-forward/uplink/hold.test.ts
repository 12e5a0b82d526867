import assert from "node:assert/strict";
import { test } from "node:test";
import { Hold } from "../../../store-forward/uplink/hold.ts";

/** Refusals of the one record that is tried, as soon as it is; how long each made the stream wait. */
function waits(hold: Hold, count: number): number[] {
  let nowMs = 0;
  return Array.from({ length: count }, () => {
    hold.begin(nowMs);
    const beganMs = nowMs;
    while (hold.waits(nowMs)) nowMs += 250;
    return nowMs - beganMs;
  });
}

test("each refusal waits twice as long as the one before, a minute at most, and one that passes ends that", () => {
  const hold = new Hold(1000);
  assert.equal(hold.stands, false);
  assert.deepEqual(waits(hold, 8), [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  assert.equal(hold.stands, true);
  hold.end();
  assert.deepEqual([hold.stands, hold.waits(0)], [false, false]);
  assert.deepEqual(waits(hold, 2), [1000, 2000]);
});

test("records that were under way together are one refusal", () => {
  const hold = new Hold(1000);
  for (const ms of [0, 1, 2]) hold.begin(ms);
  assert.equal(hold.waits(1001), true);
  assert.equal(hold.waits(1002), false);
});

test("it outlives only a link that the server closed right behind the refusal", () => {
  for (const [byPeer, afterMs, stands] of [
    [true, 1000, true],
    [true, 1001, false],
    [false, 0, false],
  ] as const) {
    const hold = new Hold(5000);
    hold.begin(100);
    hold.linkEnded(byPeer, 100 + afterMs);
    assert.equal(hold.stands, stands, `${byPeer} ${afterMs}`);
  }
});
