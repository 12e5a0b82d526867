/** The project's files and what they import, read as text. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FOLDERS = [
  "core",
  "config",
  "drivers",
  "store-forward",
  "daemon",
  "bridge",
  "hw-sim",
  "bench",
  "packaging",
  "examples",
  "scripts",
  "test",
];
const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s+(type\s)?[^;"]*?from\s+"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)|(?:^|\n)import\s+"([^"]+)"/g;

export interface SourceFile {
  /** Relative to the project, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** Project files that it needs at run time. */
  readonly local: readonly string[];
  /** Project files that it takes types from only. */
  readonly localTypes: readonly string[];
  readonly packages: readonly string[];
}

export function readSources(): SourceFile[] {
  return FOLDERS.filter((folder) => existsSync(join(ROOT, folder))).flatMap((folder) => {
    return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => /\.(ts|mjs)$/.test(name) && !name.endsWith(".d.ts"))
      .map((name) => readSource(join(folder, name)));
  });
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), "utf8");
  const local: string[] = [];
  const localTypes: string[] = [];
  const packages: string[] = [];
  for (const [, typeOnly, from, dynamic, bare] of text.matchAll(IMPORT)) {
    const target = (from ?? dynamic ?? bare) as string;
    if (target.startsWith(".")) (typeOnly ? localTypes : local).push(normalize(join(dirname(path), target)));
    else if (typeOnly === undefined) packages.push(target);
  }
  return { path: relative(".", path), text, local, localTypes, packages };
}

/** Every project file that is loaded when `start` is. */
export function reachable(start: string, files: ReadonlyMap<string, SourceFile>): SourceFile[] {
  const seen = new Map<string, SourceFile>();
  const queue = [start];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const file = files.get(path);
    if (file === undefined || seen.has(path)) continue;
    seen.set(path, file);
    queue.push(...file.local);
  }
  return [...seen.values()];
}

/** A circle of imports as a list of paths, or undefined. */
export function findCycle(files: ReadonlyMap<string, SourceFile>): string[] | undefined {
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): string[] | undefined => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (done.has(path)) return undefined;
    for (const next of files.get(path)?.local ?? []) {
      const cycle = visit(next, [...trail, path]);
      if (cycle !== undefined) return cycle;
    }
    done.add(path);
    return undefined;
  };
  for (const path of files.keys()) {
    const cycle = visit(path, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}
