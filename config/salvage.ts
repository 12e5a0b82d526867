/**
 * The part of a broken configuration that is sound, so that the drivers can look at the rest of it: somebody who mistyped
 * an interval and a profile id learns both at once.
 */
import type { Path } from "./problem.ts";
import { childOf } from "./schema-tree.ts";
import { type Site, siteConfig } from "./site.ts";

export interface Salvage {
  readonly site: Site;
  /** The path in the file of a path in `site`. */
  original(path: Path): Path;
  /** Something at, above or below this path of the file was taken out: what is said about it may be wrong. */
  touched(path: Path): boolean;
}

/** Stands for parts without which there is no site. */
const PLACEHOLDERS = { version: 1, gateway: { id: "unnamed" }, uplink: { url: "mqtt://127.0.0.1:1883" } };
/** Stand for keys without which there is no source or device; about anything at their path nothing is reported. */
const STAND_INS: Readonly<Record<string, string>> = { id: "unnamed", interface: "sim:unnamed" };
const REMOVED = Symbol("removed");
/** Each round climbs at least one level, and no path is deeper. */
const MAX_ROUNDS = 10;

type Holder = Record<string | number, unknown>;

/** Takes out what the schema refuses, then what cannot be without it. Undefined when no source is left. */
export function salvage(value: unknown): Salvage | undefined {
  if (!isMapping(value)) return undefined;
  const rest: Holder = structuredClone(value);
  const indices = new Map<unknown, number[]>();
  const removed: Path[] = [];
  const original = (path: Path) => originalPath(rest, indices, path);
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const result = siteConfig.safeParse({ ...PLACEHOLDERS, ...rest });
    if (result.success) {
      const touched = (path: Path) => removed.some((gone) => isWithin(gone, path) || isWithin(path, gone));
      return { site: result.data, original, touched };
    }
    const broken = result.error.issues.flatMap((issue) => {
      const path = issue.path.map((part) => (typeof part === "number" ? part : String(part)));
      return issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...path, key]) : [path];
    });
    const targets = broken.map((path) => presentPart(rest, path));
    if (targets.some((path) => path.length === 0)) return undefined;
    removed.push(...targets.map(original));
    for (const path of targets) remove(rest, path);
    compact(rest, indices);
  }
  return undefined;
}

/** The path up to where something is there: a missing key takes its parent along. */
function presentPart(root: unknown, path: Path): Path {
  if (isMapping(path.slice(0, -1).reduce<unknown>(childOf, root)) && standIn(path) !== undefined) return path;
  let part = path;
  while (part.length > 0 && part.reduce<unknown>(childOf, root) === undefined) part = part.slice(0, -1);
  return part;
}

function remove(root: Holder, path: Path): void {
  const holder = path.slice(0, -1).reduce<unknown>(childOf, root);
  const key = path.at(-1);
  if (key === undefined || typeof holder !== "object" || holder === null) return;
  const other = standIn(path);
  // List items keep their place until the round is over: other paths still count on it.
  if (Array.isArray(holder)) holder[Number(key)] = REMOVED;
  else if (other !== undefined) (holder as Holder)[key] = other;
  else delete (holder as Holder)[key];
}

function standIn(path: Path): string | undefined {
  const key = path.at(-1);
  return path[0] === "sources" && typeof key === "string" && Object.hasOwn(STAND_INS, key) ? STAND_INS[key] : undefined;
}

/** Closes the holes in `sources` and each `devices`, and remembers which index of the file each item had. */
function compact(root: Holder, indices: Map<unknown, number[]>): void {
  const sources = childOf(root, "sources");
  const lists = [sources, ...(Array.isArray(sources) ? sources.map((source) => childOf(source, "devices")) : [])];
  for (const list of lists) {
    if (!Array.isArray(list)) continue;
    const known = indices.get(list) ?? list.map((_, i) => i);
    indices.set(
      list,
      known.filter((_, i) => list[i] !== REMOVED),
    );
    list.splice(0, list.length, ...list.filter((item) => item !== REMOVED));
  }
}

function originalPath(root: unknown, indices: Map<unknown, number[]>, path: Path): Path {
  let here = root;
  return path.map((part) => {
    const index = typeof part === "number" ? (indices.get(here)?.[part] ?? part) : part;
    here = childOf(here, part);
    return index;
  });
}

function isWithin(path: Path, parent: Path): boolean {
  return parent.every((part, i) => path[i] === part);
}

function isMapping(value: unknown): value is Holder {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
