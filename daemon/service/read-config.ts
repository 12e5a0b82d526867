/** The configuration file, read beside a running gateway: parsing it takes longer than the field thread may stand still. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Worker } from "node:worker_threads";
import { formatConfigError } from "../../config/checked-file.ts";
import { checkCredentials } from "../../config/credential.ts";
import { loadSite } from "../../config/load.ts";
import type { Site, SourceConfig } from "../../config/site.ts";
import { messageOf } from "../../core/errors.ts";
import { checkDrivers } from "../drivers.ts";

export type ReadConfig =
  | { readonly ok: true; readonly site: Site; readonly sourceKeys: readonly string[] }
  /** `FILE:LINE: path: what is wrong`, one by one. */
  | { readonly ok: false; readonly errors: readonly string[] };

/** Does not throw; takes as long as it takes. */
export function readConfig(file: string): ReadConfig {
  const loaded = loadSite(file, [checkDrivers, checkCredentials]);
  if (!loaded.ok) return { ok: false, errors: loaded.errors.map(formatConfigError) };
  return { ok: true, site: loaded.site, sourceKeys: loaded.site.sources.map(sourceKey) };
}

/** The same on a thread of its own. Does not reject. */
export function readConfigAside(file: string): Promise<ReadConfig> {
  return new Promise((resolve) => {
    const failed = (why: unknown): void => resolve({ ok: false, errors: [`${file}: not read: ${messageOf(why)}`] });
    const worker = new Worker(new URL("./config-thread.ts", import.meta.url), { name: "config", workerData: file });
    worker.on("message", (result: ReadConfig) => resolve(result));
    worker.on("error", failed);
    worker.on("exit", (code) => failed(`its thread ended with ${code}`));
  });
}

/** Tells sources apart by all that configures them: their part of the file, and the files of the site that it names. */
function sourceKey(source: SourceConfig): string {
  const hash = createHash("sha256").update(JSON.stringify(source));
  for (const path of ownFiles(source)) hash.update(`\0${path}\0`).update(contentOf(path));
  return `${source.id} ${hash.digest("hex")}`;
}

/** Profiles of the package change with the package, which restarts the process. */
function ownFiles(source: SourceConfig): string[] {
  const profiles = source.devices.flatMap(({ profile }) => (profile?.includes("/") === true ? [profile] : []));
  if (source.driver === "modbus") return profiles;
  const dbcs = source.devices.flatMap(({ dbc }) => (dbc === undefined ? [] : [dbc]));
  return [...profiles, ...dbcs, ...profiles.flatMap(dbcsBeside)];
}

/** One of them is named in the profile. */
function dbcsBeside(profile: string): string[] {
  const folder = dirname(profile);
  const names = readdirSync(folder).filter((name) => name.endsWith(".dbc"));
  return names.sort().map((name) => join(folder, name));
}

function contentOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    // Gone since it was checked: another state than any content.
    return Buffer.alloc(0);
  }
}
