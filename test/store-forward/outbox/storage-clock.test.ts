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

test("an unset clock goes on from the field thread's base, whatever the system clock shows", () => {
  const clock = new StorageClock(false, -7_200_000);
  const before = clock.wallMs();
  assert.ok(Math.abs(before - (Date.now() - 7_200_000)) < 1000);
  clock.follow(before - 300, false);
  assert.ok(clock.wallMs() - before < 1000, "a watermark trails a little");
});

test("ages do not see jumps: neither the synchronisation nor a step back", () => {
  const HOUR_MS = 3_600_000;
  const near = (actual: number, expected: number): void => {
    assert.ok(Math.abs(actual - expected) < 1500, `${actual} is not ${expected}`);
  };
  const clock = new StorageClock(false, -10 * HOUR_MS);
  const early = clock.wallMs();
  near(clock.ageMs(early), 0);
  clock.follow(Date.now(), true, 1);
  near(clock.ageMs(early), 0);
  near(clock.ageMs(clock.wallMs()), 0);
  near(clock.ageMs(early - 2 * HOUR_MS), 12 * HOUR_MS);
  const late = clock.wallMs();
  clock.follow(Date.now() - HOUR_MS, true, 2);
  near(clock.wallMs(), Date.now() - HOUR_MS);
  near(clock.ageMs(late), 0);
  near(clock.ageMs(early), 0);
  assert.equal(clock.ageMs(Number.POSITIVE_INFINITY), 0);
});
