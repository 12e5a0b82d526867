import assert from "node:assert/strict";
import { test } from "node:test";
import { type Pulse, Vitals } from "../../../daemon/service/vitals.ts";

const LIMIT_MS = 60_000;
const HALF_HOUR_MS = 30 * 60_000;

const outbox = (
  durableUntil: number,
  more: { state?: "ok" | "unwritable"; stretched?: number; jumps?: number } = {},
) => ({
  state: more.state ?? ("ok" as const),
  durable_until: durableUntil,
  ...(more.jumps === undefined ? {} : { clock_jumps: more.jumps }),
  ...(more.stretched === undefined ? {} : { stretched_commit_interval_ms: more.stretched }),
});
const pulse = (moves: number, more: Partial<Pulse> = {}): Pulse => {
  return { id: "rs485", moves, knownBad: false, restMs: 0, ...more };
};

/** Both threads ready at 0, commits every second. */
function alive(commitIntervalMs = 1000): Vitals {
  const vitals = new Vitals({ commitIntervalMs, nowMs: 0 });
  vitals.threadReady("storage", 0);
  vitals.threadReady("status", 0);
  return vitals;
}

/** Everybody but `not` shows progress at that time. */
function progress(
  vitals: Vitals,
  nowMs: number,
  not: readonly ("storage" | "status" | "commit" | "source")[] = [],
): void {
  if (!not.includes("status")) vitals.threadSpoke("status", nowMs);
  if (!not.includes("storage")) {
    vitals.threadSpoke("storage", nowMs);
    vitals.outbox(outbox(not.includes("commit") ? 0 : nowMs), nowMs);
  }
  vitals.sources([pulse(not.includes("source") ? 0 : nowMs)], nowMs);
}

function after(ms: number, not: Parameters<typeof progress>[2], vitals = alive()): string[] {
  for (let nowMs = 0; nowMs <= ms; nowMs += 1000) progress(vitals, nowMs, not);
  return vitals.starving(LIMIT_MS, ms);
}

test("nobody starves while everything moves, however long", () => {
  assert.deepEqual(after(10 * LIMIT_MS, []), []);
});

test("each part that stands still is named after the limit, not before", () => {
  assert.deepEqual(after(LIMIT_MS, ["status", "storage", "source"]), []);
  assert.deepEqual(after(LIMIT_MS + 1000, ["status"]), ["the status thread hangs: silent for 61 s"]);
  assert.deepEqual(after(LIMIT_MS + 1000, ["storage"]), ["the storage thread hangs: silent for 61 s"]);
  assert.deepEqual(after(LIMIT_MS + 1000, ["source"]), ["source rs485: no sign of life for 61 s"]);
});

test("storage that answers and commits nothing starves the watchdog, two commit intervals later", () => {
  assert.deepEqual(after(LIMIT_MS + 2000, ["commit"]), []);
  assert.deepEqual(after(LIMIT_MS + 3000, ["commit"]), ["storage: nothing became durable for 63 s"]);
  const slow = alive(30_000);
  assert.deepEqual(after(LIMIT_MS + 60_000, ["commit"], slow), []);
  assert.equal(after(LIMIT_MS + 62_000, ["commit"], slow).length, 1);
});

test("a disk budget that stretches commits, an unwritable outbox and a clock set back are no hang", () => {
  const stretched = alive();
  for (let nowMs = 0; nowMs <= 170_000; nowMs += 1000) {
    progress(stretched, nowMs, ["storage"]);
    stretched.threadSpoke("storage", nowMs);
    stretched.outbox(outbox(0, { stretched: 60_000 }), nowMs);
  }
  assert.deepEqual(stretched.starving(LIMIT_MS, 170_000), []);

  const full = alive();
  for (let nowMs = 0; nowMs <= 10 * LIMIT_MS; nowMs += 1000) {
    progress(full, nowMs, ["storage"]);
    full.threadSpoke("storage", nowMs);
    full.outbox(outbox(0, { state: "unwritable" }), nowMs);
  }
  assert.deepEqual(full.starving(LIMIT_MS, 10 * LIMIT_MS), []);

  const back = alive();
  progress(back, 50_000);
  back.outbox(outbox(50_000, { jumps: 1 }), 100_000);
  back.threadSpoke("storage", 100_000);
  assert.equal(
    back.starving(LIMIT_MS, 120_000).some((text) => text.startsWith("storage")),
    false,
  );
});

test("a thread that opens its files, or died and is started again, has half an hour", () => {
  const vitals = new Vitals({ commitIntervalMs: 1000, nowMs: 0 });
  assert.deepEqual(vitals.starving(LIMIT_MS, HALF_HOUR_MS), []);
  assert.deepEqual(vitals.starving(LIMIT_MS, HALF_HOUR_MS + 1000), [
    "the status thread does not start: waited for 1801 s",
    "the storage thread does not start: waited for 1801 s",
  ]);
  const died = alive();
  died.threadLost("storage", 1000);
  progress(died, LIMIT_MS, ["storage"]);
  died.threadSpoke("status", 3 * LIMIT_MS);
  died.sources([pulse(9)], 3 * LIMIT_MS);
  assert.deepEqual(died.starving(LIMIT_MS, 3 * LIMIT_MS), []);
});

test("a source that is known to be bad, or asks its devices seldom, may be silent", () => {
  const vitals = alive();
  for (let nowMs = 0; nowMs <= 3 * LIMIT_MS; nowMs += 1000) {
    progress(vitals, nowMs, ["source"]);
    vitals.sources([pulse(0, { knownBad: true }), pulse(0, { id: "hourly", restMs: 3 * 3_600_000 })], nowMs);
  }
  assert.deepEqual(vitals.starving(LIMIT_MS, 3 * LIMIT_MS), []);
  // Its trouble is over, and then nothing.
  for (let nowMs = 3 * LIMIT_MS; nowMs <= 5 * LIMIT_MS; nowMs += 1000) progress(vitals, nowMs, ["source"]);
  assert.deepEqual(vitals.starving(LIMIT_MS, 5 * LIMIT_MS), ["source rs485: no sign of life for 120 s"]);
});

test("the time in which nothing ran counts for nobody", () => {
  const vitals = alive();
  progress(vitals, 1000);
  vitals.slept(10 * LIMIT_MS);
  assert.deepEqual(vitals.starving(LIMIT_MS, 1000 + 11 * LIMIT_MS), []);
  assert.equal(vitals.starving(LIMIT_MS, 1000 + 11 * LIMIT_MS + 3001).length, 3);
});
