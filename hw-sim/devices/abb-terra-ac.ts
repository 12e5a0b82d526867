/** ABB Terra AC: holding registers 4000h to 401Fh (evcc b29b49e charger/abb.go). */
import type { Charger, ChargerPhase } from "../models/charger.ts";
import type { Block, Register } from "./registers.ts";

/** IEC 61851 states as the device numbers them: 0 = A, 2 = B2 (ready), 4 = C2 (charging), 5 = session stopped. */
const STATES: Readonly<Record<ChargerPhase, number>> = { idle: 0, waiting: 2, charging: 4, ended: 5 };
const PLUGGED = 0x0101;
/** Obviously not a real one. */
const SERIAL = [0x53, 0x49, 0x4d, 0x55, 0x4c, 0x41, 0x54, 0x45];
const FIRMWARE = [0, 1, 0];

const holding = { fc: 3, type: "u32" } as const;
const milliAmpere = { ...holding, unit: "A", per: 1000, decimals: 1 } as const;
const tenthVolt = { ...holding, unit: "V", per: 10, decimals: 1 } as const;

export const blocks: readonly Block[] = [{ fc: 3, at: 16_384, words: 32 }];

export const registers: readonly Register<Charger>[] = [
  { fc: 3, name: "SerialNumber", at: 16_384, type: "hex", bytes: 8, raw: () => SERIAL },
  { fc: 3, name: "FirmwareVersion", at: 16_388, type: "dotted", bytes: 3, raw: () => FIRMWARE },
  { ...milliAmpere, name: "Current.Rated", at: 16_390, raw: (box) => box.maxCurrentA * 1000 },
  { ...holding, name: "ErrorCode", at: 16_392, raw: () => 0 },
  { ...holding, name: "SocketLock.State", at: 16_394, raw: (box) => (box.plugged ? PLUGGED : 0) },
  {
    ...holding,
    name: "Status",
    at: 16_396,
    shift: 8,
    mask: 0x7f,
    texts: { 0: "Available", 1: "Occupied", 2: "Occupied", 3: "Occupied", 4: "Occupied", 5: "Occupied" },
    raw: (box) => STATES[box.phase] << 8,
  },
  { ...milliAmpere, name: "Current.Offered", at: 16_398, raw: (box) => box.maxCurrentA * 1000 },
  { ...milliAmpere, name: "Current.Import.L1", at: 16_400, raw: (box) => box.currentsA[0] * 1000 },
  { ...milliAmpere, name: "Current.Import.L2", at: 16_402, raw: (box) => box.currentsA[1] * 1000 },
  { ...milliAmpere, name: "Current.Import.L3", at: 16_404, raw: (box) => box.currentsA[2] * 1000 },
  { ...tenthVolt, name: "Voltage.L1-N", at: 16_406, raw: (box) => box.voltagesV[0] * 10 },
  { ...tenthVolt, name: "Voltage.L2-N", at: 16_408, raw: (box) => box.voltagesV[1] * 10 },
  { ...tenthVolt, name: "Voltage.L3-N", at: 16_410, raw: (box) => box.voltagesV[2] * 10 },
  { ...holding, unit: "W", name: "Power.Active.Import", at: 16_412, raw: (box) => box.powerW },
  {
    ...holding,
    unit: "Wh",
    name: "Energy.Active.Import.Session",
    at: 16_414,
    raw: (box) => Math.floor(box.sessionWh),
  },
];
