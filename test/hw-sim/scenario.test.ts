import assert from "node:assert/strict";
import { test } from "node:test";
import { loadScenario, parseScenario, unitsOf } from "../../hw-sim/scenario.ts";

const scenarios = new URL("../../hw-sim/scenarios/", import.meta.url).pathname;

test("the depot is the README's", () => {
  const { seed, time_scale, lines } = loadScenario(`${scenarios}depot.yaml`);
  assert.ok(Number.isInteger(seed));
  assert.equal(time_scale, 1);
  assert.deepEqual(
    lines.map((line) => line.devices.map(({ id, profile }) => [id, profile])),
    [
      [["wallbox-1", "abb-terra-ac"]],
      [["wallbox-2", "abb-terra-ac"]],
      [
        ["wallbox-3", "heidelberg-energy-control"],
        ["meter-1", "eastron-sdm630"],
      ],
      [["van-7", "busbar-sim-van"]],
    ],
  );
  assert.equal(lines[2]!.rtu!.format, "8E1", "although YAML reads a number");
});

test("an entry with a count stands for so many units", () => {
  const [line] = loadScenario(`${scenarios}hundred-units.yaml`).lines;
  const units = line!.devices.flatMap(unitsOf);
  assert.equal(units.length, 100);
  assert.deepEqual(
    [units[0], units[99]],
    [
      { id: "unit-1", unit: 1 },
      { id: "unit-100", unit: 100 },
    ],
  );
});

test("every error is told at once, each with its line and what is allowed", () => {
  const text = `seed: 1
lines:
  - id: a
    rtu: { baud: 19200 }
    devices:
      - { id: x, profile: heidelberg-energy-control, unit: 0, max_current: 16 }
      - { id: y, profile: eastron-sdm630, unit: 0, measures: [ nobody ] }
  - id: a
    modbus_tcp: {}
    can: {}
    devices:
      - { id: x, profile: busbar-sim-van }
`;
  assert.throws(
    () => parseScenario(text, "site.yaml"),
    (error: Error) => {
      const lines = error.message.split("\n");
      assert.deepEqual(
        lines.map((line) => line.replace(/; allowed.*/, "")),
        [
          "site.yaml:6: lines.0.devices.0.unit: 0 is out of range",
          "site.yaml:7: lines.0.devices.1.unit: 0 is out of range",
          "site.yaml:7: lines.0.devices.1.unit: 0 is taken by x",
          "site.yaml:8: lines.1: has modbus_tcp and can",
          "site.yaml:7: lines.0.devices.1.measures.0: nobody is no charger",
          "site.yaml:8: lines.1.id: a is there twice",
          "site.yaml:12: lines.1.devices.0.id: x is there twice",
        ],
      );
      assert.ok(lines.every((line) => line.includes("allowed: ")));
      return true;
    },
  );
});

test("what is no scenario is told, not thrown as something else", () => {
  const cases: readonly (readonly [text: string, wanted: RegExp])[] = [
    ["", /^f:1: \(file\): /],
    ["seed: [", /^f:\d+: /],
    ["seed: 1\nlines: []", /^f:2: lines: /],
    [
      "seed: 1\nlines:\n  - { id: a, can: {}, devices: [ { id: b, profile: tesla } ] }",
      /is no device of the simulator/,
    ],
    [
      "seed: 1\nlines:\n  - { id: a, modbus_tcp: {}, devices: [ { id: b, profile: block, unit: 200, count: 100 } ] }",
      /256 is out of range/,
    ],
    [
      "seed: 1\nlines:\n  - id: a\n    modbus_tcp: {}\n    devices: [ { id: b, profile: abb-terra-ac, car_current: [20, 10] } ]",
      /^f:5: lines.0.devices.0.car_current: the most is less than the least/,
    ],
  ];
  for (const [text, wanted] of cases) {
    assert.throws(() => parseScenario(text, "f"), { code: "CONFIG_INVALID", message: wanted }, JSON.stringify(text));
  }
  assert.throws(() => loadScenario("/nowhere/site.yaml"), { code: "CONFIG_UNREADABLE" });
});
