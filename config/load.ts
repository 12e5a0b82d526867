/** The configuration file → a checked site, or every mistake in it. */
import { dirname, resolve } from "node:path";
import { messageOf } from "../core/errors.ts";
import { type ConfigError, readChecked } from "./checked-file.ts";
import { crossChecks } from "./cross-checks.ts";
import { fileProblems, withAbsolutePaths } from "./files.ts";
import { formatPath, type Problem } from "./problem.ts";
import { salvage } from "./salvage.ts";
import { type Site, siteConfig } from "./site.ts";
import type { YamlDocument } from "./yaml-document.ts";

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
  const folder = dirname(resolve(path));
  const read = readChecked(path, siteConfig, (document, problems) => {
    problems.push(...crossChecks(document.value, folder, document.lineOf), ...fileProblems(document.value, folder));
    problems.push(...driverProblems(document, folder, checks, problems));
  });
  return read.ok ? { ok: true, site: withAbsolutePaths(read.value, folder), file: read.file } : read;
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
