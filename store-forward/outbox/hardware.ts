/** What tells this board from another one that was flashed with a copy of our card. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const SOURCES = ["/etc/machine-id", "/proc/device-tree/serial-number"];

/**
 * Hash of machine id, board serial and gateway id; each is part of what makes record numbers ours. A board that has
 * neither id nor serial cannot be told from its clone: the takeover of the MQTT session is what shows then.
 */
export function hardwareHash(gateway: string, sources: readonly string[] = SOURCES): string {
  const hash = createHash("sha256").update(gateway);
  for (const source of sources) hash.update(`\0${read(source)}`);
  return hash.digest("hex");
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1").replaceAll(/[\0\s]/g, "");
  } catch {
    return "";
  }
}
