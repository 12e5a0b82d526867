import assert from "node:assert/strict";
import { performance } from "node:perf_hooks";
import { type TestContext, test } from "node:test";
import { StorageClock } from "../../../store-forward/outbox/storage-clock.ts";
import { all, batch, bench, FakeClock, give, packed, T0 } from "./support.ts";

const HOUR = 3_600_000;

/** System clock and monotonic clock, for as long as the test runs. */
function faked(t: TestContext): FakeClock {
  const clock = new FakeClock();
  t.mock.method(performance, "now", () => clock.mono);
  t.mock.method(Date, "now", () => clock.wall);
  return clock;
}

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
  const near = (actual: number, expected: number): void => {
    assert.ok(Math.abs(actual - expected) < 1500, `${actual} is not ${expected}`);
  };
  const clock = new StorageClock(false, -10 * HOUR);
  const early = clock.wallMs();
  near(clock.ageMs(early), 0);
  clock.follow(Date.now(), true, 1);
  near(clock.ageMs(early), 0);
  near(clock.ageMs(clock.wallMs()), 0);
  near(clock.ageMs(early - 2 * HOUR), 12 * HOUR);
  const late = clock.wallMs();
  clock.follow(Date.now() - HOUR, true, 2);
  near(clock.wallMs(), Date.now() - HOUR);
  near(clock.ageMs(late), 0);
  near(clock.ageMs(early), 0);
  assert.equal(clock.ageMs(Number.POSITIVE_INFINITY), 0);
});

test("ages are monotonic time, over any number of jumps in both directions", (t) => {
  const time = faked(t);
  const clock = new StorageClock(false, -10 * HOUR);
  const stamps: { readonly ms: number; readonly takenAt: number }[] = [];
  let era = 0;
  const take = (): number => stamps.push({ ms: clock.wallMs(), takenAt: time.mono });
  const jump = (toMs: number): void => clock.follow(toMs, true, ++era);
  const check = (): void => {
    for (const [i, { ms, takenAt }] of stamps.entries()) {
      assert.equal(clock.ageMs(ms), time.mono - takenAt, `stamp ${i} after jump ${era}`);
    }
  };
  take();
  time.pass(HOUR);
  // The synchronisation; then back beyond it, and forward to where no stretch has been. No two have a time in common.
  for (const toMs of [T0, T0 - 3 * HOUR, T0 + 5 * HOUR]) {
    jump(toMs);
    take();
    check();
    time.pass(2 * HOUR);
    check();
    // Told again and again without a jump.
    for (let i = 0; i < 150; i++) clock.follow(clock.wallMs(), true, era);
    check();
  }
});

test("the first times after a jump may lie a second before it; common to two stretches, they are the later one's", (t) => {
  const time = faked(t);
  const clock = new StorageClock(true);
  time.pass(HOUR);
  clock.follow(time.wall + 9 * HOUR, true, 1);
  assert.equal(clock.ageMs(clock.wallMs() - 900), 900);
  assert.equal(clock.ageMs(clock.wallMs() - 9 * HOUR - 900), 900, "before the jump");
  time.pass(HOUR);
  clock.follow(clock.wallMs() - HOUR / 2, true, 2);
  time.pass(HOUR / 4);
  assert.equal(clock.ageMs(clock.wallMs() - HOUR / 8), HOUR / 8);
});

test("a hundred jumps are remembered; an age over more of them is told by wall time", (t) => {
  const time = faked(t);
  const clock = new StorageClock(true);
  const first = clock.wallMs();
  const jump = (era: number): void => clock.follow(clock.wallMs() + HOUR, true, era);
  for (let era = 1; era <= 100; era++) jump(era);
  time.pass(1000);
  assert.equal(clock.ageMs(first), 1000);
  jump(101);
  assert.equal(clock.ageMs(first), 1000 + HOUR);
});

test("a jump that is told before any time is known is a jump when the time comes", (t) => {
  const time = faked(t);
  const clock = new StorageClock(false, -10 * HOUR);
  const early = clock.wallMs();
  clock.follow(0, false, 1);
  time.pass(1000);
  clock.follow(T0, false, 1);
  assert.equal(clock.wallMs(), T0);
  assert.equal(clock.ageMs(early), 1000);
});

test("the status tells the oldest record's age by the clock's own account of it, else by wall time", (t) => {
  const { open, clock } = bench(t);
  const ages: number[] = [];
  const accountant = {
    monoMs: () => clock.mono,
    wallMs: () => clock.wall,
    ageMs: (ms: number): number => {
      ages.push(ms);
      return 9400 - (ms - T0);
    },
  };
  let outbox = open({ clock: accountant, synced: false });
  assert.equal(outbox.status().oldest_age_s, 0, "nothing waits");
  for (const ms of [T0 + 2000, T0 + 3000]) {
    outbox.take({ ...packed(batch(ms, [1, 1])), watermark: ms, synced: false });
    outbox.commit({ seal: true });
  }
  clock.pass(100_000);
  ages.length = 0;
  assert.equal(outbox.status().oldest_age_s, 7);
  assert.deepEqual(ages, [T0 + 2000]);
  outbox = open();
  assert.equal(outbox.status().oldest_age_s, 98);
});

test("the status tells no age of what is not sealed yet", (t) => {
  const { open, clock } = bench(t);
  const outbox = open();
  for (const value of [1, 2]) {
    give(outbox, batch(clock.wall, [1, value]));
    outbox.commit();
    for (const record of all(outbox, "t")) outbox.ack("t", record);
    clock.pass(3000);
  }
  const { waiting, oldest_age_s } = outbox.status();
  assert.deepEqual([waiting, oldest_age_s], [0, 0], "what has no number yet does not wait for the cloud");
});

test("a stamp from behind a step back beyond the start is of this run", (t) => {
  const time = faked(t);
  const clock = new StorageClock(true);
  time.pass(HOUR);
  time.wall -= 6 * HOUR;
  clock.follow(time.wall, true, 1);
  const stamp = clock.wallMs();
  time.pass(HOUR);
  time.wall += 6 * HOUR;
  clock.follow(time.wall, true, 2);
  assert.equal(clock.ageMs(stamp), HOUR);
  assert.equal(clock.ageMs(stamp - 2 * HOUR), 9 * HOUR, "an earlier start's: by wall time");
});
