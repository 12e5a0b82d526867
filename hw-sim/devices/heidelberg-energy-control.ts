/** Heidelberg Energy Control: input registers 5 to 18, holding registers 257 to 262 (EC ModBus register table). */
import type { Charger, ChargerPhase } from "../models/charger.ts";
import type { Block, Register } from "./registers.ts";

/** IEC 61851 states as the device numbers them: 2 = A, 5 = B, 7 = C. */
const STATES: Readonly<Record<ChargerPhase, number>> = { idle: 2, waiting: 5, charging: 7, ended: 5 };
const WATCHDOG_MS = 15_000;
const STANDBY_DISABLED = 4;
const UNLOCKED = 1;
const FAILSAFE_A = 6;

const input = { fc: 4, type: "u16" } as const;
const holding = { fc: 3, type: "u16" } as const;
const tenthAmpere = { unit: "A", per: 10, decimals: 1 } as const;

export const blocks: readonly Block[] = [
  { fc: 4, at: 5, words: 14 },
  { fc: 3, at: 257, words: 6 },
];

export const registers: readonly Register<Charger>[] = [
  {
    ...input,
    name: "Status",
    at: 5,
    texts: {
      2: "Available",
      3: "Available",
      4: "Occupied",
      5: "Occupied",
      6: "Occupied",
      7: "Occupied",
      10: "Unavailable",
    },
    raw: (box) => STATES[box.phase],
  },
  { ...input, ...tenthAmpere, name: "Current.Import.L1", at: 6, raw: (box) => box.currentsA[0] * 10 },
  { ...input, ...tenthAmpere, name: "Current.Import.L2", at: 7, raw: (box) => box.currentsA[1] * 10 },
  { ...input, ...tenthAmpere, name: "Current.Import.L3", at: 8, raw: (box) => box.currentsA[2] * 10 },
  {
    fc: 4,
    type: "i16",
    unit: "degC",
    per: 10,
    decimals: 1,
    name: "Temperature",
    at: 9,
    raw: (box) => box.temperatureC * 10,
  },
  { ...input, unit: "V", decimals: 1, name: "Voltage.L1-N", at: 10, raw: (box) => box.voltagesV[0] },
  { ...input, unit: "V", decimals: 1, name: "Voltage.L2-N", at: 11, raw: (box) => box.voltagesV[1] },
  { ...input, unit: "V", decimals: 1, name: "Voltage.L3-N", at: 12, raw: (box) => box.voltagesV[2] },
  { ...input, unit: "VA", name: "Power.Apparent.Import", at: 14, raw: (box) => box.powerW },
  { fc: 4, type: "u32", unit: "VAh", name: "Energy.Apparent.Import", at: 17, raw: (box) => Math.floor(box.totalWh) },
  { ...holding, unit: "ms", name: "Watchdog.Timeout", at: 257, raw: () => WATCHDOG_MS },
  { ...holding, name: "Standby.Control", at: 258, raw: () => STANDBY_DISABLED },
  { ...holding, name: "Lock.Remote", at: 259, texts: { 0: "Locked", 1: "Unlocked" }, raw: () => UNLOCKED },
  { ...holding, ...tenthAmpere, name: "Current.Offered", at: 261, raw: (box) => box.maxCurrentA * 10 },
  { ...holding, ...tenthAmpere, name: "Current.Failsafe", at: 262, raw: () => FAILSAFE_A * 10 },
];
