/** The works of others that are in the package, with their licences. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BusbarError } from "../core/errors.ts";
import type { ThirdParty } from "./control.ts";

const LICENCE_FILE = /^(licen[cs]e|copying)(\.\w+)?$/i;

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
}

/** Throws BusbarError INTERNAL for one that comes without a licence. */
export function thirdParties(folders: readonly string[]): ThirdParty[] {
  const found = new Map<string, ThirdParty>();
  for (const folder of folders) {
    const party = partyOf(folder);
    found.set(`${party.name} ${party.version}`, party);
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, party]) => party);
}

function partyOf(folder: string): ThirdParty {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
  const file = readdirSync(folder).find((entry) => LICENCE_FILE.test(entry));
  if (file === undefined || license === undefined) {
    const remedy = "a package without one must not be shipped: leave it out";
    throw new BusbarError("INTERNAL", `${name} ${version} has no licence file`, { remedy });
  }
  return { name, version, licence: license, text: readFileSync(join(folder, file), "utf8") };
}
