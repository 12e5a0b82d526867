/** The files that a configuration names: relative to its own folder, and there. */
import { accessSync, constants, readdirSync, readlinkSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { systemCode } from "../core/errors.ts";
import { credentialMissing, credentialName, credentialPath } from "./credential.ts";
import type { Path, Problem } from "./problem.ts";
import { childOf } from "./schema-tree.ts";
import type { Site, SourceConfig } from "./site.ts";

/** Keys of files in a login. */
export const LOGIN_KEYS = ["password_file", "ca_file", "cert_file", "key_file"] as const;

/** As Linux has it; whoever has more goes round in a circle. */
const MAX_LINKS = 40;

/** A copy of the site in which every path is absolute. */
export function withAbsolutePaths(site: Site, folder: string): Site {
  const copy = structuredClone(site);
  absolutise(copy.uplink, LOGIN_KEYS, folder);
  copy.store.path = linkedFile(resolve(folder, copy.store.path));
  absolutise(copy.local.mqtt, ["password_file"], folder);
  absolutise(copy.local.http, ["password_file"], folder);
  for (const source of copy.sources) absolutiseSource(source, folder);
  return copy;
}

function absolutiseSource(source: SourceConfig, folder: string): void {
  if (source.driver === "can") {
    if (source.interface.startsWith("log:")) source.interface = `log:${resolve(folder, source.interface.slice(4))}`;
    for (const device of source.devices) absolutise(device, ["dbc"], folder);
  }
  for (const device of source.devices) {
    if (device.profile?.includes("/")) device.profile = resolve(folder, device.profile);
  }
}

/** Makes the named paths start from `folder`. */
export function absolutise<K extends string>(
  holder: { [key in K]?: string | undefined },
  keys: readonly K[],
  folder: string,
) {
  for (const key of keys) {
    const path = holder[key];
    if (path !== undefined) holder[key] = fileAt(folder, path);
  }
}

/**
 * Where a link leads in the end, also if nothing is there yet. SQLite puts its log there, so all else that belongs to the
 * file must be there too, and the free space is that volume's.
 */
function linkedFile(path: string): string {
  let at = path;
  for (let links = 0; links < MAX_LINKS; links++) {
    try {
      at = resolve(dirname(at), readlinkSync(at));
    } catch {
      return at;
    }
  }
  return path;
}

/** A credential that is not there to be looked up stays as it is named: `checkCredentials` tells it. */
function fileAt(folder: string, named: string): string {
  return credentialName(named) === undefined ? resolve(folder, named) : (credentialPath(named) ?? named);
}

/** Every named file that is not there or cannot be read. Looks at plain values, which the schema may have refused. */
export function fileProblems(value: unknown, folder: string): Problem[] {
  const paths: Path[] = [
    ...LOGIN_KEYS.map((key) => ["uplink", key]),
    ["local", "mqtt", "password_file"],
    ["local", "http", "password_file"],
  ];
  const sources = childOf(value, "sources");
  if (Array.isArray(sources)) paths.push(...sources.flatMap((source, i) => sourceFiles(source, i)));
  return [...missingFiles(value, folder, paths), ...outboxProblem(value, folder)];
}

/**
 * The outbox need not be there. A folder that holds something, named in place of a file in it, would be moved away as
 * damaged. An empty one is: container engines make such where a file is mounted that is not there.
 */
function outboxProblem(value: unknown, folder: string): Problem[] {
  const path = ["store", "path"];
  const named = path.reduce<unknown>(childOf, value);
  if (typeof named !== "string" || named === "") return [];
  const there = resolve(folder, named);
  if (!holdsSomething(there)) return [];
  return [{ path, message: `${there} is a directory; allowed: a file, such as ${join(named, "outbox.db")}` }];
}

/** Those of the paths in `value` that name a file which is not there or cannot be read. */
export function missingFiles(value: unknown, folder: string, paths: readonly Path[]): Problem[] {
  return paths.flatMap((path) => {
    const text = path.reduce<unknown>(childOf, value);
    if (typeof text !== "string" || text === "") return [];
    const named = path.at(-1) === "interface" ? text.slice("log:".length) : text;
    if (credentialName(named) !== undefined && credentialPath(named) === undefined) return [];
    const message = fileProblem(named, fileAt(folder, named), path.at(-1) === "password_file");
    return message === undefined ? [] : [{ path, message }];
  });
}

/** As a folder. False also where nobody lets us look, as in the service's own: the outbox itself tells that. */
function holdsSomething(path: string): boolean {
  try {
    return readdirSync(path).length > 0;
  } catch {
    return false;
  }
}

/** Profiles are not among them: the drivers look for these. */
function sourceFiles(source: unknown, i: number): Path[] {
  if (childOf(source, "driver") !== "can") return [];
  const bus = childOf(source, "interface");
  const log: Path[] = typeof bus === "string" && bus.startsWith("log:") ? [["sources", i, "interface"]] : [];
  const devices = childOf(source, "devices");
  const dbcs = Array.isArray(devices) ? devices.map((_, j): Path => ["sources", i, "devices", j, "dbc"]) : [];
  return [...log, ...dbcs];
}

function fileProblem(named: string, path: string, secret: boolean): string | undefined {
  // Somebody may have written the password itself where its file belongs: only what looks like a path is repeated.
  const shown = secret && !/^\.{0,2}\//.test(named) ? "the file" : path;
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) return `${shown} is a directory; allowed: a file that can be read`;
    accessSync(path, constants.R_OK);
    if (secret && stat.isFile() && stat.size === 0) return `${shown} is empty; allowed: a file with the password`;
    return undefined;
  } catch (error) {
    if (systemCode(error) === "EACCES") return `${shown} may not be read by this user; check its owner and mode`;
    const credential = credentialName(named);
    if (credential !== undefined) return credentialMissing(credential);
    return `${shown} is not there; allowed: a file, relative to the configuration's folder`;
  }
}
