import type { BusSetup, CanBus } from "./bus.ts";
import { LogBus } from "./log.ts";
import { SimBus, simSocketPath } from "./sim.ts";
import { SocketCanBus } from "./socketcan.ts";

/** The bus behind `socketcan:can0`, `sim:<bus>` or `log:<file>`; the schema has checked the form (CAN_INTERFACE). */
export function busFor(address: string, setup: BusSetup): CanBus {
  const colon = address.indexOf(":");
  const kind = address.slice(0, colon);
  const name = address.slice(colon + 1);
  if (kind === "sim") return new SimBus(simSocketPath(name), setup);
  return kind === "log" ? new LogBus(name, setup) : new SocketCanBus(name, setup);
}
