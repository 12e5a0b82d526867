import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type Block, breakKey, planBlocks, splitsOf } from "../../../drivers/modbus/plan.ts";
import { loadModbusProfile, type RegisterSignal } from "../../../drivers/modbus/profile.ts";

/** `fc:at+words`, as in "4:0+2". */
function signal(text: string): RegisterSignal {
  const [fc, at, words] = text.split(/[:+]/).map(Number);
  const { signals } = loadModbusProfile("test/fixtures/modbus/one.yaml");
  return { ...signals[0]!, name: text, fc: fc as 3 | 4, at: at!, words: words! };
}
const spell = (blocks: readonly Block[]) => blocks.map(({ fc, at, words }) => `${fc}:${at}+${words}`);
const limits = { maxWords: 10, maxHole: 2 };

const rows: [string, string[], string[]][] = [
  ["nothing", [], []],
  ["neighbours are one request", ["4:0+2", "4:2+2"], ["4:0+4"]],
  ["the order of the profile does not matter", ["4:2+2", "4:0+2"], ["4:0+4"]],
  ["a hole is read along", ["4:0+2", "4:4+2"], ["4:0+6"]],
  ["a larger hole is not", ["4:0+2", "4:5+2"], ["4:0+2", "4:5+2"]],
  ["as many words as allowed", ["4:0+4", "4:4+4", "4:8+2"], ["4:0+10"]],
  ["and not one more", ["4:0+4", "4:4+4", "4:8+3"], ["4:0+8", "4:8+3"]],
  ["function codes do not mix", ["4:0+1", "3:1+1", "4:1+1"], ["3:1+1", "4:0+2"]],
  ["two parts of one register", ["3:5+2", "3:5+2", "3:7+1"], ["3:5+3"]],
  ["the last register there is", ["3:65534+2"], ["3:65534+2"]],
];

suite("registers are read in few requests", () => {
  for (const [name, signals, expected] of rows) {
    test(name, () => assert.deepEqual(spell(planBlocks(signals.map(signal), limits)), expected));
  }

  test("no request touches a refused register, not even in a hole", () => {
    const signals = ["4:0+2", "4:3+1"].map(signal);
    const refused = [{ fc: 4, at: 2, words: 1 }] as const;
    assert.deepEqual(spell(planBlocks(signals, limits, { refused, breaks: new Set() })), ["4:0+2", "4:3+1"]);
    const elsewhere = [{ fc: 3, at: 2, words: 1 }] as const;
    assert.deepEqual(spell(planBlocks(signals, limits, { refused: elsewhere, breaks: new Set() })), ["4:0+4"]);
  });

  test("no request spans a break", () => {
    const signals = ["4:0+2", "4:2+2", "4:4+2"].map(signal);
    const breaks = new Set([breakKey({ fc: 4, at: 2, words: 2 })]);
    assert.deepEqual(spell(planBlocks(signals, limits, { refused: [], breaks })), ["4:0+2", "4:2+4"]);
  });

  test("a block is split near its middle, and never inside a number", () => {
    const [block] = planBlocks(["4:0+2", "4:2+2", "4:4+2", "4:8+2"].map(signal), limits);
    const halves = splitsOf(block!)[0]!;
    assert.deepEqual(spell(halves), ["4:0+4", "4:4+6"]);
    const [parts] = planBlocks(["3:5+2", "3:5+2"].map(signal), limits);
    assert.deepEqual(splitsOf(parts!), []);
  });

  test("the profiles of the first devices need as many requests as their registers allow", () => {
    const requests = (id: string, group: string) => {
      const profile = loadModbusProfile(id);
      return spell(
        planBlocks(
          profile.signals.filter((s) => s.group === group),
          profile,
        ),
      );
    };
    assert.deepEqual(requests("heidelberg-energy-control", "fast"), ["4:5+14"]);
    assert.deepEqual(requests("heidelberg-energy-control", "slow"), ["3:257+6"]);
    assert.deepEqual(requests("eastron-sdm630", "fast"), ["4:0+72"]);
    assert.deepEqual(requests("eastron-sdm630", "slow"), ["4:72+8", "4:342+16"]);
    assert.deepEqual(requests("abb-terra-ac", "fast"), ["3:16392+24"]);
  });
});
