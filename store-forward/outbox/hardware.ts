/** What tells this board from another one that was flashed with a copy of our card. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const SOURCES = ["/etc/machine-id", "/proc/device-tree/serial-number"];

/** Hash of machine id, board serial and gateway id; each is part of what makes record numbers ours. */
export function hardwareHash(gateway: string): string {
  const hash = createHash("sha256").update(gateway);
  for (const source of SOURCES) hash.update(`\0${read(source)}`);
  return hash.digest("hex");
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1").replaceAll(/[\0\s]/g, "");
  } catch {
    return "";
  }
}
