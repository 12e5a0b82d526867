/** A YAML file checked against a schema as a whole: its value, or every mistake with its line. */
import { resolve } from "node:path";
import type { z } from "zod";
import { formatPath, type Path, type Problem } from "./problem.ts";
import { readText } from "./read-text.ts";
import { problemsOf } from "./schema-problems.ts";
import { schemaTree } from "./schema-tree.ts";
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

export type CheckedFile<T> =
  | {
      readonly ok: true;
      readonly value: T;
      /** Absolute path of the file. */
      readonly file: string;
    }
  | {
      readonly ok: false;
      /** Sorted by line. */
      readonly errors: readonly ConfigError[];
    };

/** Adds to `problems` (those of the schema stand in it) what the schema cannot tell. */
export type FurtherChecks = (document: YamlDocument, problems: Problem[]) => void;

/** Reads and checks a file as a whole. Does not throw. */
export function readChecked<S extends z.ZodObject>(
  path: string,
  schema: S,
  furtherChecks: FurtherChecks,
): CheckedFile<z.output<S>> {
  const read = readText(path);
  if (!read.ok) return failed(path, [{ line: read.line, path: [], message: read.message }]);
  const document = parseYaml(read.text);
  const mistakes = [...document.mistakes];
  if (!document.sound) return failed(path, mistakes);
  if (document.value === null || typeof document.value !== "object" || Array.isArray(document.value)) {
    const what = document.value === null ? "is empty" : "is no mapping";
    const message = `${what}; allowed: a mapping of ${Object.keys(schema.shape).join(", ")}`;
    return failed(path, [...mistakes, { line: 1, path: [], message }]);
  }
  const parsed = schema.safeParse(document.value);
  const problems = parsed.success ? [] : problemsOf(parsed.error.issues, schemaTree(schema), document.value);
  furtherChecks(document, problems);
  mistakes.push(...problems.map((problem) => ({ ...problem, line: document.lineOf(problem.path) })));
  if (mistakes.length > 0 || !parsed.success) return failed(path, mistakes);
  return { ok: true, value: parsed.data, file: resolve(path) };
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

function failed(
  file: string,
  mistakes: readonly Mistake[],
): { readonly ok: false; readonly errors: readonly ConfigError[] } {
  const errors = mistakes.map(({ line, path, message }) => ({ file, line, path: formatPath(path), message }));
  return { ok: false, errors: errors.sort((a, b) => a.line - b.line) };
}
