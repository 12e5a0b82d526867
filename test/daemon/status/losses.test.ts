import assert from "node:assert/strict";
import { test } from "node:test";
import { RecentLosses } from "../../../daemon/status/losses.ts";

const NONE = { full: 0, overload: 0, corrupt: 0, rejected: 0, expired: 0 };
const HOUR_MS = 3_600_000;

test("samples that were lost are told with their remedy for an hour after the last of them", () => {
  const losses = new RecentLosses();
  losses.take(NONE, 0);
  assert.deepEqual(losses.problems(0), []);
  losses.take({ ...NONE, full: 40 }, 1000);
  losses.take({ ...NONE, full: 1200, expired: 3 }, 2000);
  losses.take({ ...NONE, full: 1200, expired: 3 }, 5000);
  const [full, expired, ...more] = losses.problems(1000 + HOUR_MS);
  assert.match(full ?? "", /^outbox: 1200 samples lost since the start \(full\): .*raise store\.max_size/);
  assert.match(expired ?? "", /^outbox: 3 samples lost since the start \(expired\): .*store\.expire_after/);
  assert.deepEqual(more, []);
  assert.deepEqual(losses.problems(2000 + HOUR_MS), []);
  losses.take({ ...NONE, full: 1201, expired: 3 }, 3 * HOUR_MS);
  assert.deepEqual(losses.problems(3 * HOUR_MS).length, 1);
});

test("a gateway that started anew has lost nothing yet", () => {
  const losses = new RecentLosses();
  losses.take({ ...NONE, corrupt: 7 }, 0);
  losses.take(NONE, 1000);
  assert.deepEqual(losses.problems(1000), []);
});
