/** Finding, reading and checking profile files, for every driver family. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { isMap, isScalar, LineCounter, type Node, parseDocument } from "yaml";
import type { z } from "zod";
import { BusbarError, messageOf } from "../core/errors.ts";
import { nearestOf } from "../core/nearest.ts";

export type ProfileFamily = "modbus" | "can";
type PathInside = readonly PropertyKey[];

export interface ProfileFile {
  /** Absolute path of the file. */
  readonly path: string;
  /** What the YAML says, unchecked. */
  readonly data: unknown;
  /** The line (from 1) of a place inside the file, or of its nearest parent that is there. */
  lineOf(path: PathInside): number;
}

/**
 * Reads the profile that a configuration names: an id (`profiles/<family>/<id>.yaml`) or the path of a file (with a
 * slash in it, relative to the working directory). Throws BusbarError PROFILE_INVALID that names the file, or for an
 * unknown id the ids that there are.
 */
export function readProfileYaml(ref: string, family: ProfileFamily, profilesDir = bundledProfilesDir()): ProfileFile {
  const path = isPath(ref) ? resolve(ref) : join(profilesDir, family, `${ref}.yaml`);
  if (!isPath(ref) && !profileIds(family, profilesDir).includes(ref)) throw unknownProfile(ref, family, profilesDir);
  const lines = new LineCounter();
  const document = parseDocument(readText(path), { lineCounter: lines, prettyErrors: false });
  const broken = document.errors[0];
  if (broken !== undefined) {
    throw new BusbarError("PROFILE_INVALID", `${path}:${lines.linePos(broken.pos[0]).line}: ${broken.message}`);
  }
  return {
    path,
    data: toData(document, path),
    lineOf: (inside) => lines.linePos(offsetOf(document.contents, inside)).line,
  };
}

/** The ids that a configuration may name, sorted. */
export function profileIds(family: ProfileFamily, profilesDir = bundledProfilesDir()): string[] {
  const folder = join(profilesDir, family);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".yaml"))
    .map((name) => name.slice(0, -".yaml".length))
    .sort();
}

/**
 * The file's data after its schema. Throws BusbarError PROFILE_INVALID with every error on a line of its own, as
 * `FILE:LINE: path: what is wrong`.
 */
export function parseProfile<Schema extends z.ZodType>(file: ProfileFile, schema: Schema): z.output<Schema> {
  const result = schema.safeParse(file.data);
  if (result.success) return result.data;
  throw profileInvalid(file, result.error.issues);
}

/** One error for all that is wrong with a profile. */
export function profileInvalid(
  file: ProfileFile,
  issues: readonly { readonly path: PathInside; readonly message: string }[],
): BusbarError {
  const lines = issues.map(
    ({ path, message }) =>
      `${file.path}:${file.lineOf(path)}: ${path.length === 0 ? "" : `${path.join(".")}: `}${message}`,
  );
  return new BusbarError("PROFILE_INVALID", lines.join("\n"));
}

/** Installed code is bundled into a folder of another depth: the profiles lie beside the nearest ancestor that has them. */
function bundledProfilesDir(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  for (let folder = here; ; folder = dirname(folder)) {
    const candidate = join(folder, "profiles");
    if (existsSync(join(candidate, "modbus"))) return candidate;
    if (dirname(folder) === folder) return join(here, "..", "profiles");
  }
}

function isPath(ref: string): boolean {
  return ref.includes("/");
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const remedy = "check the path; it is relative to the configuration file";
    throw new BusbarError("PROFILE_INVALID", `${path}: cannot be read (${messageOf(cause)})`, { remedy, cause });
  }
}

function toData(document: { toJS(): unknown }, path: string): unknown {
  try {
    return document.toJS();
  } catch (cause) {
    // An alias without its anchor, or aliases that unfold to millions of nodes, show only here.
    throw new BusbarError("PROFILE_INVALID", `${path}: ${messageOf(cause)}`, { cause });
  }
}

function offsetOf(contents: unknown, inside: PathInside): number {
  let node = contents;
  let offset = startOf(node) ?? 0;
  for (const key of inside) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
      offset = startOf(pair?.key) ?? offset;
      node = pair?.value;
    } else {
      node = (node as { items?: readonly unknown[] } | null | undefined)?.items?.[Number(key)];
      offset = startOf(node) ?? offset;
    }
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}

function unknownProfile(ref: string, family: ProfileFamily, profilesDir: string): BusbarError {
  const ids = profileIds(family, profilesDir);
  const nearest = nearestOf(ref, ids);
  const hint = nearest === undefined ? "" : `did you mean ${nearest}? `;
  const remedy = `${hint}there are: ${ids.join(", ") || "none"}; a file of yours is named by its path (./my-profile.yaml)`;
  const path = join(profilesDir, family, `${ref}.yaml`);
  return new BusbarError("PROFILE_INVALID", `no ${family} profile "${ref}" (${path})`, { remedy });
}
