/** How long the broker's return may go unnoticed: the pauses between attempts, whatever the outage and the dice. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { backoff } from "../../../core/backoff.ts";
import { DEFAULT_TIMING } from "../../../store-forward/uplink/options.ts";

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
