/** How long the broker's return may go unnoticed: the pauses between attempts, whatever the outage and the dice. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { backoff } from "../../../core/backoff.ts";
import { DEFAULT_TIMING } from "../../../store-forward/uplink/options.ts";
import { type Attempt, Pauses } from "../../../store-forward/uplink/pauses.ts";

const { backoffFirstMs: firstMs, backoffMaxMs: maxMs, heldMs } = DEFAULT_TIMING;
/** Dial, subscribe, the first acknowledgement; the rest of the two seconds that are promised. */
const CONNECT_MS = 500;

for (const [what, random] of [
  ["short", () => 0],
  ["long", () => 0.999999],
  ["any", Math.random],
] as const) {
  test(`a refused or silent port: outages of a second to a day end within two seconds, ${what} pauses`, () => {
    let nowMs = 0;
    let attempts = 0;
    let longestMs = 0;
    for (const delayMs of backoff({ firstMs, maxMs, random })) {
      attempts++;
      nowMs += delayMs;
      longestMs = Math.max(longestMs, delayMs);
      if (nowMs > 86_400_000) break;
    }
    assert.ok(longestMs + CONNECT_MS <= 2000, `${longestMs} ms`);
    assert.ok(attempts < 200_000, `${attempts} attempts a day`);
  });
}

test("the pauses grow, so that a fleet does not come back in one wave, and only a link that held ends that", () => {
  const [first = 0, second = 0, third = 0] = backoff({ firstMs, maxMs, random: () => 0.5 }).take(3);
  assert.ok(first < second && second < third);
  assert.ok(heldMs >= 5 * maxMs);
});

const FAILED: Attempt = { livedMs: 0, wasUp: false, stalledAtOnce: false, refused: false };
const HELD: Attempt = { ...FAILED, livedMs: heldMs, wasUp: true };

test("the pauses begin anew behind a link that held, and behind no other", () => {
  const next = [250, 500, 1000, 1500, 1500];
  const cases: readonly (readonly [string, Attempt, number])[] = [
    ["none came about", FAILED, 1000],
    ["it held", HELD, 250],
    ["too short", { ...HELD, livedMs: heldMs - 1 }, 1000],
    ["never up", { ...HELD, wasUp: false }, 1000],
    ["nothing was acknowledged", { ...HELD, stalledAtOnce: true }, 1000],
  ];
  for (const [what, attempt, pauseMs] of cases) {
    const pauses = new Pauses(DEFAULT_TIMING, () => 1);
    assert.deepEqual([pauses.after(FAILED), pauses.after(FAILED)], next.slice(0, 2));
    assert.equal(pauses.after(attempt), pauseMs, what);
  }
  const pauses = new Pauses(DEFAULT_TIMING, () => 1);
  assert.deepEqual(
    next.map(() => pauses.after(FAILED)),
    next,
  );
});

test("each pause is drawn anew from the upper half of its step; a server that says no is asked less often", () => {
  let draw = 0;
  const pauses = new Pauses(DEFAULT_TIMING, () => [0, 0.5][draw++ % 2] ?? 0);
  assert.deepEqual([pauses.after(FAILED), pauses.after(FAILED)], [125, 375]);
  assert.equal(pauses.after({ ...FAILED, refused: true }), 4 * 500);
  const ours = new Pauses(DEFAULT_TIMING);
  const drawn = new Set(Array.from({ length: 20 }, () => ours.after({ ...HELD })));
  assert.ok(drawn.size > 10 && Math.min(...drawn) >= 125 && Math.max(...drawn) < 250, [...drawn].join());
});
