/** The simulator's own tables against the gateway's profiles: two readings of the same documents. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import * as abb from "../../hw-sim/devices/abb-terra-ac.ts";
import * as block from "../../hw-sim/devices/block.ts";
import { frameKinds } from "../../hw-sim/devices/busbar-sim-van.ts";
import * as sdm630 from "../../hw-sim/devices/eastron-sdm630.ts";
import * as heidelberg from "../../hw-sim/devices/heidelberg-energy-control.ts";
import type { Register } from "../../hw-sim/devices/registers.ts";
import { Van } from "../../hw-sim/models/van.ts";
import { Random } from "../../hw-sim/random.ts";

interface ProfiledSignal {
  at: number;
  fc?: number;
  type: string;
  unit?: string;
  scale?: number;
  resolution?: number;
}
interface Profile {
  read: { function: number };
  signals: Record<string, ProfiledSignal>;
}

const tables: Readonly<Record<string, readonly Register<never>[]>> = {
  "profiles/modbus/abb-terra-ac.yaml": abb.registers,
  "profiles/modbus/heidelberg-energy-control.yaml": heidelberg.registers,
  "profiles/modbus/eastron-sdm630.yaml": sdm630.registers,
  "hw-sim/scenarios/block-profile.yaml": block.registers,
};

const read = (path: string): unknown => parse(readFileSync(new URL(`../../${path}`, import.meta.url), "utf8"));
const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);

for (const [path, registers] of Object.entries(tables)) {
  test(`${path} names what the simulated device serves`, () => {
    const profile = read(path) as Profile;
    const profiled = Object.entries(profile.signals).map(([name, { at, fc, type, unit, scale, resolution }]) => {
      const decimals = resolution === undefined ? 0 : Math.abs(Math.round(Math.log10(resolution)));
      return { name, at, fc: fc ?? profile.read.function, type, unit, scale: scale ?? 1, decimals };
    });
    const served = registers.map(({ name, at, fc, type, unit, times, per, decimals }) => {
      return { name, at, fc, type, unit, scale: (times ?? 1) / (per ?? 1), decimals: decimals ?? 0 };
    });
    assert.deepEqual(served.sort(byName), profiled.sort(byName));
    assert.ok(served.length >= 10);
  });
}

test("profiles/can/busbar-sim-van.yaml names what the simulated van sends", () => {
  const { signals } = read("profiles/can/busbar-sim-van.yaml") as { signals: object };
  const van = new Van(new Random(1, "van"));
  const sent = frameKinds.flatMap(({ build }) => Object.keys(build(van).signals));
  assert.deepEqual(sent.sort(), Object.keys(signals).sort());
});
