import { readFileSync } from "node:fs";
import { BusbarError, messageOf } from "../../../core/errors.ts";
import type { Dbc } from "./dbc.ts";
import { parseDbc } from "./parse.ts";

/**
 * Reads a DBC file. Old ones are Windows-1252: a degree sign in a unit is the usual trace. Throws BusbarError
 * PROFILE_INVALID when the file cannot be read; what is wrong inside of it is in `problems`.
 */
export function readDbc(path: string): Dbc {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    const remedy = "check the path of the DBC file";
    throw new BusbarError("PROFILE_INVALID", `${path}: cannot be read (${messageOf(cause)})`, { remedy, cause });
  }
  try {
    return parseDbc(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return parseDbc(new TextDecoder("windows-1252").decode(bytes));
  }
}
