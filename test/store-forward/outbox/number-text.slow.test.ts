import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../../hw-sim/random.ts";
import {
  MAX_NUMBER_BYTES,
  NOT_SHORT,
  shortLength,
  shortOf,
  writeNumber,
} from "../../../store-forward/outbox/number-text.ts";
import { OVERHANG_BYTES, pageOf, Stamp } from "../../../store-forward/outbox/page.ts";

function textOf(value: number): string {
  const start = 3;
  const out = Buffer.alloc(start + MAX_NUMBER_BYTES + 2 * OVERHANG_BYTES, "#");
  const end = writeNumber(pageOf(out), start, value);
  assert.ok(end <= start + MAX_NUMBER_BYTES, `${value} takes ${end - start} bytes`);
  const behind = out.toString("latin1", end + OVERHANG_BYTES);
  assert.equal(behind, "#".repeat(behind.length), `${value}: written far behind its end`);
  return out.toString("latin1", start, end);
}

test("numbers as JSON has them", () => {
  const edges = [0, 9, 10, 0.1, 0.001, 0.0001, 0.05, 1.005, 99.999, 230.1, 1 / 3, 1e21, 1e-7, 5e-324, 2147483.647];
  const large = [2 ** 31, 2 ** 31 - 1, 2147483.648, 2 ** 53, Number.MAX_VALUE, 999_999.999, 1_000_000.001];
  const whole = [1000, 999_999, 1_000_000, 2_147_483, 2_147_484, 12_000_034, 1_795_226_000_123, 1_000_000_000_001];
  for (const value of [...edges, ...large, ...whole].flatMap((one) => [one, -one])) {
    assert.equal(textOf(value), JSON.stringify(value));
  }
  assert.equal(textOf(-(2 ** 31)), "-2147483648");
  assert.deepEqual([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map(textOf), Array(3).fill("null"));
});

test("random numbers of every size and number of decimals", () => {
  const random = new Random(20, "number-text");
  for (let i = 0; i < 100_000; i++) {
    const scale = 10 ** Math.floor(random.between(0, 7));
    const value = Math.round((random.next() - 0.5) * 10 ** Math.floor(random.between(0, 13))) / scale;
    assert.equal(textOf(value), JSON.stringify(value));
    const short = shortOf(value);
    if (short !== NOT_SHORT) assert.equal(shortLength(short), textOf(value).length);
  }
});

test("only what has room in a short number is one", () => {
  const none = [
    2_097_152,
    -2_097_152,
    2147483.647,
    -2147483.648,
    2 ** 31,
    2 ** 53,
    0.0004,
    1.0005,
    1 / 3,
    5e-324,
    1e300,
  ];
  for (const value of [...none, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    assert.equal(shortOf(value), NOT_SHORT, String(value));
  }
  for (const value of [2_097_151.999, -2_097_151.999, -0, 0.001, -0.001, 1.005]) {
    assert.notEqual(shortOf(value), NOT_SHORT, String(value));
    assert.equal(textOf(value), JSON.stringify(value));
  }
});

test("a stamp is its text, whatever its length", () => {
  for (const text of ["", "a", "abc", "abcd", "abcde", '"Zähler \u20ac":', "x".repeat(101)]) {
    const out = Buffer.alloc(200, "#");
    const end = new Stamp(text).write(pageOf(out), 5);
    assert.equal(out.toString("utf8", 5, end), text);
    assert.equal(out.toString("latin1", 0, 5), "#####");
  }
});
