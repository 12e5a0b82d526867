/** The frames of the simulated van: layouts as in the table at the head of profiles/can/busbar-sim-van.dbc. */
import type { Van } from "../models/van.ts";
import { crc8 } from "../wire/crc.ts";
import type { Signals } from "./device.ts";

export interface VanFrame {
  readonly id: number;
  readonly data: Uint8Array;
  /** What the bits mean, in the gateway's names and units. */
  readonly signals: Signals;
  /** Byte 7 is a checksum. */
  readonly sealed: boolean;
}

export interface FrameKind {
  readonly id: number;
  readonly cycleMs: number;
  readonly build: (van: Van) => VanFrame;
}

const BATTERY = "Vehicle.Powertrain.TractionBattery";
const TYRES = [
  "Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure",
  "Vehicle.Chassis.Axle.Row1.Wheel.Right.Tire.Pressure",
  "Vehicle.Chassis.Axle.Row2.Wheel.Left.Tire.Pressure",
  "Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.Pressure",
] as const;

export const frameKinds: readonly FrameKind[] = [
  { id: 0x1db, cycleMs: 100, build: battery },
  { id: 0x257, cycleMs: 100, build: motion },
  { id: 0x55b, cycleMs: 1000, build: charge },
  { id: 0x5c5, cycleMs: 1000, build: distance },
  { id: 0x385, cycleMs: 1000, build: tyres },
  { id: 0x4a0, cycleMs: 1000, build: position },
];

/** Current: the 11 bits from the top of byte 0, two's complement, half amperes; voltage: the 10 from the top of byte 2. */
function battery(van: Van): VanFrame {
  const current = within(van.currentA * 2, -1024, 1023);
  const voltage = within(van.voltageV * 2, 0, 1022);
  const bits = current & 0x7ff;
  const data = Uint8Array.of(bits >> 3, (bits & 7) << 5, voltage >> 2, (voltage & 3) << 6, 0, 0, 0, 0);
  return sealed(0x1db, data, {
    [`${BATTERY}.CurrentCurrent`]: current / 2,
    [`${BATTERY}.CurrentVoltage`]: voltage / 2,
  });
}

/** The 10 bits from the top of byte 0, tenths of a percent. */
function charge(van: Van): VanFrame {
  const soc = within(van.socPercent * 10, 0, 1000);
  const data = Uint8Array.of(soc >> 2, (soc & 3) << 6, 0, 0, 0, 0, 0, 0);
  return sealed(0x55b, data, { [`${BATTERY}.StateOfCharge.Current`]: soc / 10 });
}

/** The 12 bits above the low half of byte 1, little-endian; 0.08 km/h each, from -40. */
function motion(van: Van): VanFrame {
  const raw = within((van.speedKmH + 40) / 0.08, 0, 0xffe);
  const data = Uint8Array.of(0, (raw & 0xf) << 4, raw >> 4, 0, 0, 0, 0, 0);
  return plain(0x257, data, { "Vehicle.Speed": (raw * 8 - 4000) / 100 });
}

/** Three bytes little-endian, 0.1 km. */
function distance(van: Van): VanFrame {
  const raw = within(van.odometerKm * 10 - 0.5, 0, 0xfffffe);
  const data = Uint8Array.of(raw & 0xff, (raw >> 8) & 0xff, raw >> 16, 0, 0, 0, 0, 0);
  return plain(0x5c5, data, { "Vehicle.TraveledDistance": raw / 10 });
}

/** A byte for each tyre, 2 kPa. */
function tyres(van: Van): VanFrame {
  const raws = van.tyresKPa.map((kPa) => within(kPa / 2, 0, 0xfe));
  const data = new Uint8Array(8);
  data.set(raws);
  return plain(0x385, data, Object.fromEntries(TYRES.map((name, i) => [name, (raws[i] as number) * 2])));
}

/** Two signed 32-bit numbers, little-endian, 1e-7 degrees. */
function position(van: Van): VanFrame {
  const latitude = within(van.latitude * 1e7, -0x7fffffff, 0x7fffffff);
  const longitude = within(van.longitude * 1e7, -0x7fffffff, 0x7fffffff);
  const data = new Uint8Array(8);
  const view = new DataView(data.buffer);
  view.setInt32(0, latitude, true);
  view.setInt32(4, longitude, true);
  return plain(0x4a0, data, {
    "Vehicle.CurrentLocation.Latitude": latitude / 1e7,
    "Vehicle.CurrentLocation.Longitude": longitude / 1e7,
  });
}

function plain(id: number, data: Uint8Array, signals: Signals): VanFrame {
  return { id, data, signals, sealed: false };
}

function sealed(id: number, data: Uint8Array, signals: Signals): VanFrame {
  data[7] = crc8(data.subarray(0, 7));
  return { id, data, signals, sealed: true };
}

function within(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, Math.round(value))) + 0;
}
