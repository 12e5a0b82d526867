import assert from "node:assert/strict";
import { test } from "node:test";
import { Since } from "../../core/since.ts";

test("the beginning of a state moves with the clock's jumps, stays with its corrections, and begins anew", () => {
  const now = { mono: 0, wall: 5000 };
  const since = new Since({ monoMs: () => now.mono, wallUs: () => now.wall * 1000 });
  const pass = (ms: number, driftMs = 0): void => {
    now.mono += ms;
    now.wall += ms + driftMs;
  };
  pass(60_000, 20);
  assert.equal(since.ms, 5000, "a clock that is followed moves nothing");
  pass(0, 1_000_000);
  assert.equal(now.wall - since.ms, 60_000, "the age is right after the clock became true");
  pass(1000, -500_000);
  assert.equal(now.wall - since.ms, 61_000);
  since.restart();
  assert.equal(since.ms, now.wall);
});
