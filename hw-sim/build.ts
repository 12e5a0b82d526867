/** From a scenario to models and units: what exists, before anything is opened. */
import * as abb from "./devices/abb-terra-ac.ts";
import * as block from "./devices/block.ts";
import { ModbusUnit, type Unit } from "./devices/device.ts";
import * as sdm630 from "./devices/eastron-sdm630.ts";
import * as heidelberg from "./devices/heidelberg-energy-control.ts";
import { Charger } from "./models/charger.ts";
import { Grid } from "./models/grid.ts";
import { Meter } from "./models/meter.ts";
import type { Model } from "./models/model.ts";
import { Van } from "./models/van.ts";
import { Random } from "./random.ts";
import { type ModbusDevice, type Scenario, type ScenarioLine, unitsOf } from "./scenario.ts";
import type { LineUnit } from "./unit-target.ts";

/** Without a time in the scenario the first car comes within this range. */
const FIRST_PLUG_S = { least: 3, most: 30 };

export interface Built {
  /** In the order in which they have to be stepped. */
  readonly models: readonly Model[];
  readonly chargers: ReadonlyMap<string, Charger>;
  readonly meters: ReadonlyMap<string, Meter>;
  readonly vans: ReadonlyMap<string, Van>;
}

export function buildModels(scenario: Scenario): Built {
  const { seed, lines } = scenario;
  const grid = new Grid(new Random(seed, "grid"));
  const chargers = new Map<string, Charger>();
  const meters = new Map<string, Meter>();
  const vans = new Map<string, Van>();
  const devices = lines.flatMap((line) => line.devices);
  for (const device of devices) {
    const random = new Random(seed, device.id);
    if (device.profile === "busbar-sim-van") vans.set(device.id, new Van(random));
    if (!("max_current" in device)) continue;
    const firstPlugS = random.between(FIRST_PLUG_S.least, FIRST_PLUG_S.most);
    const options = {
      maxCurrentA: device.max_current,
      firstPlugS: device.first_plug === undefined ? firstPlugS : device.first_plug / 1000,
    };
    const { car_phases: carPhases, car_current: car, derated: deratedPercent } = device;
    const cars = {
      ...(carPhases === undefined ? {} : { carPhases }),
      ...(car === undefined ? {} : { carCurrentA: { least: car[0], most: car[1] } }),
    };
    chargers.set(device.id, new Charger(random, grid, { ...options, ...cars, deratedPercent }));
  }
  for (const device of devices) {
    if (device.profile !== "eastron-sdm630") continue;
    const loads = device.measures.flatMap((id) => chargers.get(id) ?? []);
    meters.set(device.id, new Meter(new Random(seed, device.id), grid, loads));
  }
  return { models: [grid, ...chargers.values(), ...meters.values(), ...vans.values()], chargers, meters, vans };
}

/** The units of a Modbus line. */
export function buildUnits(line: ScenarioLine, built: Built): LineUnit[] {
  return line.devices.flatMap((entry) => {
    if (entry.profile === "busbar-sim-van") return [];
    return unitsOf(entry).map(({ id, unit }) => {
      const pluggable = built.chargers.get(id);
      return { asset: id, profile: entry.profile, unit, device: unitOf(entry, built), pluggable };
    });
  });
}

function unitOf(entry: ModbusDevice, { chargers, meters }: Built): Unit {
  switch (entry.profile) {
    case "abb-terra-ac":
      return new ModbusUnit({ ...abb, model: found(chargers, entry.id) });
    case "heidelberg-energy-control":
      return new ModbusUnit({ ...heidelberg, model: found(chargers, entry.id) });
    case "eastron-sdm630":
      return new ModbusUnit({ ...sdm630, model: found(meters, entry.id) });
    case "block":
      return new ModbusUnit({ ...block, model: new block.Counter() });
  }
}

function found<Model>(models: ReadonlyMap<string, Model>, id: string): Model {
  const model = models.get(id);
  if (model === undefined) throw new Error(`no model was built for ${id}`);
  return model;
}
