/**
 * What reading alone does (DESIGN invariant 11). Some chargers lower their current when nobody polls them any more: that
 * protects the fuse when the energy manager dies. A gateway that polls beside the energy manager keeps them content.
 */
import type { ModbusDeviceConfig, ModbusSourceConfig } from "./config.ts";
import { loadModbusProfile, type ModbusProfile } from "./profile.ts";

export interface Hazard {
  readonly asset: string;
  /** What it is, and what to do. */
  readonly message: string;
}

/** Of a source whose profiles load. Throws BusbarError PROFILE_INVALID. */
export function modbusHazards({ devices }: ModbusSourceConfig, profilesDir?: string): Hazard[] {
  const profiles = new Map<string, ModbusProfile>();
  return devices.flatMap((device) => {
    const profile = profiles.get(device.profile) ?? loadModbusProfile(device.profile, profilesDir);
    profiles.set(device.profile, profile);
    return hazardOf(device, profile);
  });
}

function hazardOf({ id, poll_interval }: ModbusDeviceConfig, { failsafe, groups }: ModbusProfile): Hazard[] {
  const [first, ...others] = groups.map(({ intervalMs }) => intervalMs);
  const intervalMs = Math.min(poll_interval ?? first ?? Number.POSITIVE_INFINITY, ...others);
  // A duty to write is nobody's here: nothing is written.
  if (failsafe?.kind !== "poll" || intervalMs >= failsafe.within) return [];
  const effect = failsafe.effect === undefined ? "" : ` (else ${failsafe.effect})`;
  const what = `being read every ${failsafe.within / 1000} s is all that its fail-safe asks for${effect}`;
  const remedy = "while the gateway reads it, a dead energy manager goes unnoticed; protect the circuit without it";
  return [{ asset: id, message: `${what}: ${remedy}` }];
}
