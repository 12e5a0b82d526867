import assert from "node:assert/strict";
import { test } from "node:test";
import { birthIdOf, buildSignalTable } from "../../../core/signals.ts";
import { LatestValues } from "../../../store-forward/outbox/latest-values.ts";
import { batch, packed, T0 } from "./support.ts";

const signal = (name: string, unit?: string) =>
  ({ name, type: "number", maxAgeMs: 3000, collect: "every", ...(unit === undefined ? {} : { unit }) }) as const;
const table = buildSignalTable("gw", "test", [
  { id: "meter-1", kind: "meter", source: "a", signals: [signal("Power.Active.Import", "W"), signal("Status")] },
  { id: "meter-2", kind: "meter", source: "a", signals: [signal("Power.Active.Import", "W")] },
]);

function latest(): LatestValues {
  assert.equal(table.birthId, birthIdOf(table.birth));
  return new LatestValues(table.birth);
}

test("the last value of each signal, with its own time, by asset; nothing of what was never read", () => {
  const values = latest();
  assert.deepEqual([...values.assets()], []);
  values.take(packed(batch(T0, [1, 7360], [2, "Charging"]), batch(T0 + 1, [1, 7361])).bytes);
  const first = [...values.assets()];
  const meter = {
    "Power.Active.Import": { v: 7361, u: "W", q: "good", ts: T0 + 1 },
    Status: { v: "Charging", q: "good", ts: T0 },
  };
  assert.deepEqual(first, [{ asset: "meter-1", ts: T0 + 1, values: meter }]);
  values.take(packed(batch(T0 + 2, [3, null, 2]), batch(T0 + 3, [1, 7362, 1])).bytes);
  assert.deepEqual(
    [...values.assets()].map(({ asset, ts, values }) => [asset, ts, values["Power.Active.Import"]]),
    [
      ["meter-1", T0 + 3, { v: 7362, u: "W", q: "stale", ts: T0 + 3 }],
      ["meter-2", T0 + 2, { v: null, u: "W", q: "bad", ts: T0 + 2 }],
    ],
  );
  assert.deepEqual(first[0]?.values, meter, "what was told does not change any more");
});

test("bytes that are no packed batches are passed over, and what comes next is taken", () => {
  const values = latest();
  const { bytes } = packed(batch(T0, [1, 5]));
  for (const garbage of [new Uint8Array([7]), bytes.subarray(0, bytes.length - 1)]) values.take(garbage);
  values.take(packed(batch(T0 + 1, [3, 6])).bytes);
  const told = [...values.assets()].find(({ asset }) => asset === "meter-2");
  assert.deepEqual(told?.values, { "Power.Active.Import": { v: 6, u: "W", q: "good", ts: T0 + 1 } });
});
