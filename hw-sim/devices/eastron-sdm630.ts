/** Eastron SDM630-Modbus: input registers, all IEEE 754 single precision (SDM630 Modbus protocol; 30001 is address 0). */
import type { Meter } from "../models/meter.ts";
import { sum } from "../models/model.ts";
import type { Block, Register } from "./registers.ts";

const L = [0, 1, 2] as const;
const PHASE_NAMES = ["L1", "L2", "L3"] as const;
const f32 = { fc: 4, type: "f32" } as const;
/** The meter counts kilo units, the gateway units. */
const kilo = { ...f32, times: 1000 } as const;

export const blocks: readonly Block[] = [
  { fc: 4, at: 0, words: 80 },
  { fc: 4, at: 342, words: 16 },
];

function perPhase(
  first: number,
  shape: Omit<Register<Meter>, "name" | "at" | "raw">,
  name: (phase: string) => string,
  raw: (meter: Meter, phase: 0 | 1 | 2) => number,
): Register<Meter>[] {
  return L.map((phase) => ({
    ...shape,
    name: name(PHASE_NAMES[phase]),
    at: first + 2 * phase,
    raw: (meter: Meter) => raw(meter, phase),
  }));
}

const volt = { ...f32, unit: "V", decimals: 1 } as const;
const ampere = { ...f32, unit: "A", decimals: 1 } as const;
const factor = { ...f32, decimals: 3 } as const;

function apparentVa(meter: Meter, phase: 0 | 1 | 2): number {
  return Math.hypot(meter.powersW[phase], meter.powersVar[phase]);
}

function apparentAllVa(meter: Meter): number {
  return Math.hypot(sum(meter.powersW), sum(meter.powersVar));
}

function share(part: number, whole: number): number {
  return whole === 0 ? 1 : part / whole;
}

export const registers: readonly Register<Meter>[] = [
  ...perPhase(
    0,
    volt,
    (l) => `Voltage.${l}-N`,
    (meter, i) => meter.voltagesV[i],
  ),
  ...perPhase(
    6,
    ampere,
    (l) => `Current.Import.${l}`,
    (meter, i) => meter.currentsA[i],
  ),
  ...perPhase(
    12,
    { ...f32, unit: "W" },
    (l) => `Power.Active.Import.${l}`,
    (meter, i) => meter.powersW[i],
  ),
  ...perPhase(18, { ...f32, unit: "VA" }, (l) => `Power.Apparent.Import.${l}`, apparentVa),
  ...perPhase(
    24,
    { ...f32, unit: "var" },
    (l) => `Power.Reactive.Import.${l}`,
    (meter, i) => meter.powersVar[i],
  ),
  ...perPhase(
    30,
    factor,
    (l) => `Power.Factor.${l}`,
    (meter, i) => share(meter.powersW[i], apparentVa(meter, i)),
  ),
  { ...f32, unit: "W", name: "Power.Active.Import", at: 52, raw: (meter) => sum(meter.powersW) },
  { ...f32, unit: "VA", name: "Power.Apparent.Import", at: 56, raw: apparentAllVa },
  { ...f32, unit: "var", name: "Power.Reactive.Import", at: 60, raw: (meter) => sum(meter.powersVar) },
  { ...factor, name: "Power.Factor", at: 62, raw: (meter) => share(sum(meter.powersW), apparentAllVa(meter)) },
  {
    ...f32,
    unit: "deg",
    decimals: 1,
    name: "Phase.Angle",
    at: 66,
    raw: (meter) => (Math.atan2(sum(meter.powersVar), sum(meter.powersW)) * 180) / Math.PI,
  },
  { ...f32, unit: "Hz", decimals: 2, name: "Frequency", at: 70, raw: (meter) => meter.frequencyHz },
  {
    ...kilo,
    unit: "Wh",
    name: "Energy.Active.Import.Register",
    at: 72,
    raw: (meter) => sum(meter.importWh) / 1000,
  },
  { ...kilo, unit: "Wh", name: "Energy.Active.Export.Register", at: 74, raw: () => 0 },
  { ...kilo, unit: "varh", name: "Energy.Reactive.Import.Register", at: 76, raw: (meter) => meter.importVarh / 1000 },
  { ...kilo, unit: "varh", name: "Energy.Reactive.Export.Register", at: 78, raw: () => 0 },
  { ...kilo, unit: "Wh", name: "Energy.Active.Sum", at: 342, raw: (meter) => sum(meter.importWh) / 1000 },
  ...perPhase(
    346,
    { ...kilo, unit: "Wh" },
    (l) => `Energy.Active.Import.Register.${l}`,
    (meter, i) => meter.importWh[i] / 1000,
  ),
  ...perPhase(
    352,
    { ...kilo, unit: "Wh" },
    (l) => `Energy.Active.Export.Register.${l}`,
    () => 0,
  ),
];
