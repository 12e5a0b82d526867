/** YAML text → plain values, every mistake with its line, and the line of every path inside. */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  visit,
  type YAMLError,
} from "yaml";
import { YAML_OPTIONS } from "../core/yaml.ts";
import type { Path } from "./problem.ts";

export interface YamlMistake {
  readonly line: number;
  readonly path: Path;
  readonly message: string;
}

export interface YamlDocument {
  /** Plain values; null when there is nothing. */
  readonly value: unknown;
  readonly mistakes: readonly YamlMistake[];
  /** The structure is what was meant (at most keys are doubled): it can be checked further. */
  readonly sound: boolean;
  /** Line (from 1) of the key or list item at a path; of its nearest parent when it is not there. */
  lineOf(path: Path): number;
}

/** Uses of one anchor, times what each unfolds to: enough for any real file, far too few for an alias bomb. */
const MAX_ALIAS_COUNT = 1000;

const MESSAGES: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: "a tab stands in the indentation; allowed: spaces",
  BAD_INDENT:
    "the indentation does not fit what stands above; indent keys of one mapping alike, and close every bracket",
  MISSING_CHAR: "a character is missing: a closing quote or bracket, a comma, or the colon after a key",
  BLOCK_AS_IMPLICIT_KEY:
    "a mapping or list item begins where a value was expected; allowed: one `key: value` on a line, no `- ` between keys",
  MULTILINE_IMPLICIT_KEY: "no `key: value`; allowed: a key, a colon and a space",
  BLOCK_IN_FLOW: "an indented mapping or list stands inside { } or [ ]; close the bracket, or leave it out",
  RESOURCE_EXHAUSTION: "brackets or mappings are nested too deeply; no configuration nests more than 6 levels",
  MULTIPLE_DOCS: "a second document begins; allowed: one document in the file",
  TAG_RESOLVE_FAILED: "a tag (!name) stands here; allowed: plain values without tags",
  BAD_SCALAR_START: "a plain value may not begin with this character; put the value in quotes",
  UNEXPECTED_TOKEN: "this does not belong here; check the indentation, and quote values with special characters",
  BAD_DQ_ESCAPE: "an unknown escape in double quotes; write \\\\ for a backslash, or use single quotes",
};

/** Parses garbage too: what is wrong is told in `mistakes`. */
export function parseYaml(text: string): YamlDocument {
  const counter = new LineCounter();
  try {
    const document = parseDocument(text, { ...YAML_OPTIONS, lineCounter: counter });
    return inspect(document, counter);
  } catch (error) {
    return unreadable(error instanceof RangeError ? "is nested too deeply" : "cannot be read as YAML");
  }
}

function inspect(document: Document, counter: LineCounter): YamlDocument {
  const lineAt = (offset: number) => Math.max(1, counter.linePos(offset).line);
  const faults = firstPerLine([...document.errors, ...document.warnings], lineAt);
  const mistakes = faults.map((error) => mistakeOf(document, error, lineAt));
  mistakes.push(...aliasMistakes(document, lineAt));
  const sound = [...document.errors, ...document.warnings].every((error) => error.code === "DUPLICATE_KEY");
  const lineOf = (path: Path) => lineAt(offsetOf(document, path));
  try {
    return { value: document.toJS({ maxAliasCount: MAX_ALIAS_COUNT }), mistakes, sound, lineOf };
  } catch {
    // toJS throws for aliases only: one without its anchor (reported above), or a bomb.
    if (mistakes.length > 0) return { value: null, mistakes, sound: false, lineOf };
    const message = `its aliases unfold too far; allowed: ${MAX_ALIAS_COUNT} uses`;
    return { value: null, mistakes: [{ line: 1, path: [], message }], sound: false, lineOf };
  }
}

/** One slip makes the parser stumble several times on a line: what it says first is nearest to it, and a tab is the slip. */
function firstPerLine(errors: readonly YAMLError[], lineAt: (offset: number) => number): YAMLError[] {
  const first = new Map<number, YAMLError>();
  for (const error of errors) {
    const line = lineAt(error.pos[0]);
    if (!first.has(line) || error.code === "TAB_AS_INDENT") first.set(line, error);
  }
  return errors.filter((error) => error.code === "DUPLICATE_KEY" || [...first.values()].includes(error));
}

function unreadable(message: string): YamlDocument {
  const mistakes = [{ line: 1, path: [], message: `${message}; allowed: a YAML file such as examples/busbar.yaml` }];
  return { value: null, mistakes, sound: false, lineOf: () => 1 };
}

function mistakeOf(document: Document, error: YAMLError, lineAt: (offset: number) => number): YamlMistake {
  const offset = error.pos[0];
  const line = lineAt(offset);
  if (error.code !== "DUPLICATE_KEY") return { line, path: [], message: MESSAGES[error.code] ?? error.message };
  const { path, first } = duplicateAt(document, offset);
  const before = first === undefined ? "" : ` (first on line ${lineAt(first)})`;
  return { line, path, message: `stands here for the second time${before}; allowed: each key once` };
}

/** The path of the key at an offset, and where the same key stood first. */
function duplicateAt(document: Document, offset: number): { path: Path; first: number | undefined } {
  let found: { path: Path; first: number | undefined } = { path: [], first: undefined };
  visit(document, {
    Pair(_key, pair, ancestors) {
      if (startOf(pair.key) !== offset) return;
      const map = ancestors.at(-1);
      const first = isMap(map) ? map.items.find((item) => keyOf(item) === keyOf(pair)) : undefined;
      found = {
        path: [...pathOf(ancestors), keyOf(pair)],
        first: first === undefined ? undefined : startOf(first.key),
      };
      return visit.BREAK;
    },
  });
  return found;
}

function pathOf(ancestors: readonly unknown[]): Path {
  const path: (string | number)[] = [];
  ancestors.forEach((node, i) => {
    const next = ancestors[i + 1];
    if (isSeq(node)) path.push(node.items.indexOf(next));
    else if (isMap(node)) {
      const pair = node.items.find((item) => item === next);
      if (pair !== undefined) path.push(keyOf(pair));
    }
  });
  return path;
}

/** Aliases without an anchor, and those that contain themselves. */
function aliasMistakes(document: Document, lineAt: (offset: number) => number): YamlMistake[] {
  const mistakes: YamlMistake[] = [];
  visit(document, {
    Alias(_key, alias, ancestors) {
      const target = alias.resolve(document);
      if (target !== undefined && !ancestors.includes(target)) return;
      const why = target === undefined ? "names no anchor (&name) above it" : "contains itself";
      const message = `the alias *${alias.source} ${why}; write the value out`;
      mistakes.push({ line: lineAt(alias.range?.[0] ?? 0), path: [], message });
    },
  });
  return mistakes;
}

function offsetOf(document: Document, path: Path): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      // The last of doubled keys is the one whose value counts.
      const pair = node.items.findLast((item) => keyOf(item) === String(part));
      if (pair === undefined) return offset;
      offset = startOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(part)];
      offset = startOf(node) ?? offset;
    } else return offset;
  }
  return offset;
}

function keyOf(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}
