import assert from "node:assert/strict";
import { test } from "node:test";
import { type AssetSpec, buildSignalTable, signalsOfBirth } from "../../core/signals.ts";
import { contract } from "../support/contracts.ts";

const common = { maxAgeMs: 3000, collect: "every" } as const;

const assets: AssetSpec[] = [
  {
    id: "meter-1",
    kind: "meter",
    source: "rs485",
    profile: "eastron-sdm630",
    metrology: "mid",
    signals: [
      { name: "Power.Active.Import", type: "number", unit: "W", resolution: 1, ...common },
      { name: "Energy.Active.Import.Register", type: "number", unit: "Wh", resolution: 1, ...common },
    ],
  },
  {
    id: "wallbox-1",
    kind: "ac-charger",
    source: "rs485",
    profile: "heidelberg-energy-control",
    metrology: "none",
    signals: [
      { name: "Status", type: "enum", enum: ["Available", "Occupied", "Faulted"], ...common },
      { name: "Current.Import.L1", type: "number", unit: "A", resolution: 0.1, ...common },
    ],
  },
];

test("the birth payload is the example to the byte", () => {
  const table = buildSignalTable("depot-berlin-01", "busbar 0.1.0", assets);
  assert.equal(Buffer.from(table.birth).toString(), contract("birth.json").toString());
  assert.equal(table.birthId, "164043ef");
});

test("numbers follow the payload, also where an asset id looks like a number", () => {
  const numeric = { ...(assets[1] as AssetSpec), id: "7" };
  const table = buildSignalTable("gw", "busbar", [assets[0] as AssetSpec, numeric]);
  const numbered = table.signals.map(({ n, asset, name }) => ({ n, asset, name }));
  assert.deepEqual(numbered[0], { n: 1, asset: "7", name: "Status" });
  const stored = signalsOfBirth(table.birth).map(({ asset, name }, i) => ({ n: i + 1, asset, name }));
  assert.deepEqual(stored, numbered);
});
