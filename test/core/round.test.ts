import assert from "node:assert/strict";
import { test } from "node:test";
import { decimals, roundTo } from "../../core/round.ts";

test("a resolution's decimals", () => {
  const cases: readonly [number, number][] = [
    [1, 0],
    [10, 0],
    [0.5, 1],
    [0.1, 1],
    [0.25, 2],
    [0.01, 2],
    [0.08, 2],
    [0.001, 3],
    [1e-7, 7],
    [0.00549316, 8],
  ];
  for (const [resolution, count] of cases) assert.equal(decimals(resolution), count, String(resolution));
});

test("values are the doubles nearest to the decimal number, so that JSON shows no noise", () => {
  assert.equal(JSON.stringify(roundTo(230.10000610351562, 1)), "230.1");
  assert.equal(JSON.stringify(roundTo(0.1 + 0.2, 1)), "0.3");
  assert.equal(JSON.stringify(roundTo(525_200_066 * 1e-7, 7)), "52.5200066");
  assert.equal(JSON.stringify(roundTo(-41.04 - 1e-12, 2)), "-41.04");
  assert.equal(roundTo(1234.5678, 0), 1235);
});

test("never minus zero; what has no such decimals comes back as it is", () => {
  assert.ok(Object.is(roundTo(-0.04, 1), 0));
  assert.ok(Object.is(roundTo(-0, 0), 0));
  assert.equal(roundTo(1e300, 3), 1e300);
  assert.equal(roundTo(Number.POSITIVE_INFINITY, 1), Number.POSITIVE_INFINITY);
  assert.ok(Number.isNaN(roundTo(Number.NaN, 1)));
});
