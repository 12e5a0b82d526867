/** The configuration file → a checked site, or every mistake in it. */
import { dirname, resolve } from "node:path";
import { messageOf } from "../core/errors.ts";
import { crossChecks } from "./cross-checks.ts";
import { fileProblems, withAbsolutePaths } from "./files.ts";
import { formatPath, type Path, type Problem } from "./problem.ts";
import { readText } from "./read-text.ts";
import { salvage } from "./salvage.ts";
import { problemsOf } from "./schema-problems.ts";
import { schemaTree } from "./schema-tree.ts";
import { type Site, siteConfig } from "./site.ts";
import { parseYaml, type YamlDocument } from "./yaml-document.ts";

/** One mistake in a configuration file. */
export interface ConfigError {
  /** The file as it was named. */
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  /** Such as `sources[0].devices[1].poll_interval`; empty for what concerns the file as a whole. */
  readonly path: string;
  /** What is wrong; what is allowed. One line. */
  readonly message: string;
}

/**
 * A check that needs more than the file, such as whether the profiles are there. It sees absolute paths. The site
 * conforms to its schema, but the rules between keys may be broken; parts that the schema refused are left out.
 */
export type SiteCheck = (site: Site) => readonly { path: (string | number)[]; message: string }[];

export type LoadResult =
  | {
      readonly ok: true;
      /** Every path in it is absolute. */
      readonly site: Site;
      /** Absolute path of the file. */
      readonly file: string;
    }
  | {
      readonly ok: false;
      /** Sorted by line. */
      readonly errors: readonly ConfigError[];
    };

/** Reads and checks a configuration file as a whole; opens nothing that it names. Does not throw. */
export function loadSite(path: string, checks: readonly SiteCheck[] = []): LoadResult {
  const read = readText(path);
  if (!read.ok) return failed(path, [{ line: read.line, path: [], message: read.message }]);
  const document = parseYaml(read.text);
  const mistakes = [...document.mistakes];
  if (!document.sound) return failed(path, mistakes);
  if (document.value === null || typeof document.value !== "object" || Array.isArray(document.value)) {
    const what = document.value === null ? "is empty" : "is no mapping";
    const message = `${what}; allowed: a mapping of ${Object.keys(siteConfig.shape).join(", ")}`;
    return failed(path, [...mistakes, { line: 1, path: [], message }]);
  }
  const folder = dirname(resolve(path));
  const parsed = siteConfig.safeParse(document.value);
  const problems = parsed.success ? [] : problemsOf(parsed.error.issues, schemaTree(siteConfig), document.value);
  problems.push(...crossChecks(document.value, folder, document.lineOf), ...fileProblems(document.value, folder));
  problems.push(...driverProblems(document, folder, checks, problems));
  mistakes.push(...problems.map((problem) => ({ ...problem, line: document.lineOf(problem.path) })));
  if (mistakes.length > 0 || !parsed.success) return failed(path, mistakes);
  return { ok: true, site: withAbsolutePaths(parsed.data, folder), file: resolve(path) };
}

/** `FILE:LINE: path: what is wrong; allowed: …` */
export function formatConfigError(error: ConfigError): string {
  const where = `${error.file}:${error.line}: `;
  return error.path === "" ? `${where}${error.message}` : `${where}${error.path}: ${error.message}`;
}

interface Mistake {
  readonly line: number;
  readonly path: Path;
  readonly message: string;
}

function failed(file: string, mistakes: readonly Mistake[]): LoadResult {
  const errors = mistakes.map(({ line, path, message }) => ({ file, line, path: formatPath(path), message }));
  return { ok: false, errors: errors.sort((a, b) => a.line - b.line) };
}

/** What the drivers say, but for paths about which something was said already. */
function driverProblems(
  document: YamlDocument,
  folder: string,
  checks: readonly SiteCheck[],
  known: readonly Problem[],
): Problem[] {
  const rest = checks.length === 0 ? undefined : salvage(document.value);
  if (rest === undefined) return [];
  const site = withAbsolutePaths(rest.site, folder);
  const said = new Set(known.map((problem) => formatPath(problem.path)));
  return checks
    .flatMap((check) => guarded(check, site))
    .map(({ path, message }) => ({ path: rest.original(path), message }))
    .filter(({ path }) => !said.has(formatPath(path)) && !rest.touched(path))
    .flatMap(({ path, message }) => message.split("\n").map((line) => ({ path, message: line })));
}

function guarded(check: SiteCheck, site: Site): readonly { path: (string | number)[]; message: string }[] {
  try {
    return check(site);
  } catch (error) {
    return [{ path: [], message: `a check failed: ${messageOf(error)}; correct the other errors first` }];
  }
}
