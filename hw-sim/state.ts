/** What `GET /` of the control server shows. */
import type { Built } from "./build.ts";
import type { CanLine } from "./can-line.ts";
import type { ModbusLine } from "./modbus-line.ts";
import type { UnitTarget } from "./unit-target.ts";
import type { CandumpBus } from "./wire/candump-bus.ts";
import type { Port } from "./wire/port.ts";

export interface LineState {
  readonly id: string;
  /** `127.0.0.1:1502`, the path of a terminal, or the socket of a simulated bus. */
  readonly address: string;
  readonly open: boolean;
  readonly faults: readonly string[];
  readonly counters: Readonly<Record<string, number>>;
}

export interface AssetState {
  readonly id: string;
  readonly profile: string;
  readonly line: string;
  readonly unit?: number;
  readonly faults: readonly string[];
  /** What it does at the moment. */
  readonly now?: Readonly<Record<string, unknown>>;
}

export function modbusState(line: ModbusLine, port: Port, built: Built): { line: LineState; assets: AssetState[] } {
  return {
    line: {
      id: line.id,
      address: port.address,
      open: port.isOpen,
      faults: line.faults,
      counters: { ...line.counters },
    },
    assets: line.units.map((unit) => unitState(line.id, unit, built)),
  };
}

function unitState(line: string, { id, profile, unit, faults }: UnitTarget, built: Built): AssetState {
  const state = { id, profile, line, unit, faults };
  const charger = built.chargers.get(id);
  if (charger === undefined) return state;
  const { phase, powerW, sessionWh } = charger;
  return { ...state, now: { phase, power_w: Math.round(powerW), session_wh: Math.floor(sessionWh) } };
}

export function canState(line: CanLine, bus: CandumpBus): { line: LineState; assets: AssetState[] } {
  const counters = { ...line.counters, clients: bus.clients, dropped_clients: bus.dropped };
  return {
    line: { id: line.id, address: bus.path, open: true, faults: line.faults, counters },
    assets: line.vehicles.map(({ id, faults, van }) => {
      const now = { driving: !van.plugged, speed_km_h: round(van.speedKmH), soc_percent: round(van.socPercent) };
      return { id, profile: "busbar-sim-van", line: line.id, faults, now };
    }),
  };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
