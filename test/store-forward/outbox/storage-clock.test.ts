import assert from "node:assert/strict";
import { test } from "node:test";
import { StorageClock } from "../../../store-forward/outbox/storage-clock.ts";

test("the clock follows the field thread's time base, and is not moved by a watermark that was never told", () => {
  const clock = new StorageClock(true);
  const near = (ms: number): boolean => Math.abs(clock.wallMs() - ms) < 1000;
  clock.follow(0, true);
  assert.ok(near(Date.now()), "still the system clock");
  clock.follow(Date.now() - 86_400_000, false);
  assert.ok(near(Date.now() - 86_400_000), "a day behind");
  assert.equal(clock.synced, false);
  clock.follow(Date.now() - 900, true);
  assert.ok(near(Date.now()), "a watermark trails a little");
});
