/**
 * What reading alone does (DESIGN invariant 11). Some chargers lower their current when nobody polls them any more: that
 * protects the fuse when the energy manager dies. A gateway that polls beside the energy manager keeps them content.
 */
import type { Hazard } from "../driver.ts";
import type { DeviceSpec } from "./device.ts";

export function hazardsOf({ asset, groups, profile: { failsafe } }: DeviceSpec): Hazard[] {
  const intervalMs = Math.min(...groups.map((group) => group.intervalMs));
  // A duty to write is nobody's here: nothing is written.
  if (failsafe?.kind !== "poll" || intervalMs >= failsafe.within) return [];
  const effect = failsafe.effect === undefined ? "" : ` (else ${failsafe.effect})`;
  const what = `being read every ${failsafe.within / 1000} s is all that its fail-safe asks for${effect}`;
  const remedy = "while the gateway reads it, a dead energy manager goes unnoticed; protect the circuit without it";
  return [{ asset, message: `${what}: ${remedy}` }];
}
