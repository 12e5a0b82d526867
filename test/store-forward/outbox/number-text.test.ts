import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../../hw-sim/random.ts";
import { MAX_NUMBER_BYTES, writeNumber } from "../../../store-forward/outbox/number-text.ts";

function textOf(value: number): string {
  const out = Buffer.alloc(MAX_NUMBER_BYTES + 3, "#");
  const end = writeNumber(out, 3, value);
  assert.ok(end <= out.length, `${value} takes ${end - 3} bytes`);
  assert.equal(out.toString("latin1", end), "#".repeat(out.length - end), `${value}: written behind its end`);
  return out.toString("latin1", 3, end);
}

test("numbers as JSON has them", () => {
  const edges = [0, 9, 10, 0.1, 0.001, 0.0001, 0.05, 1.005, 99.999, 230.1, 1 / 3, 1e21, 1e-7, 5e-324, 2147483.647];
  const large = [2 ** 31, 2 ** 31 - 1, 2147483.648, 2 ** 53, Number.MAX_VALUE, 999_999.999, 1_000_000.001];
  for (const value of [...edges, ...large].flatMap((one) => [one, -one])) {
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
  }
});
