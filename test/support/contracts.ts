/** The byte-exact examples of the wire formats that the project started from. */
import { readFileSync } from "node:fs";

const folder = new URL("../fixtures/contracts/", import.meta.url);

export function contract(name: string): Buffer {
  return readFileSync(new URL(name, folder));
}
