/** zod's issues → what is wrong and what is allowed, in our words. */
import type { z } from "zod";
import { nearestOf } from "../core/nearest.ts";
import type { Path, Problem } from "./problem.ts";
import { allowedText, childOf, nodeAt, type SchemaNode } from "./schema-tree.ts";

type Issue = z.core.$ZodIssue;

/** Every issue in our words; `value` is what was checked. */
export function problemsOf(issues: readonly Issue[], tree: SchemaNode, value: unknown): Problem[] {
  return issues.flatMap((issue) => {
    const path = issue.path.map((part) => (typeof part === "number" ? part : String(part)));
    if (issue.code !== "unrecognized_keys") return [{ path, message: messageAt(issue, path, tree, value) }];
    const allowed = Object.keys(nodeAt(tree, path, value)?.properties ?? {});
    return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key, allowed) }));
  });
}

function messageAt(issue: Issue, path: Path, tree: SchemaNode, value: unknown): string {
  const node = nodeAt(tree, path, value);
  const found = path.reduce<unknown>(childOf, value);
  const allowed = node === undefined ? "" : `; allowed: ${allowedText(node)}`;
  if (found === undefined) return `is missing${allowed}`;
  // Our own schemas name the fault better than "is 5" does.
  if (typeof found === "string" && issue.message.includes("; allowed: ")) return hideCredentials(issue.message);
  const typo = node === undefined ? undefined : quotesMistake(found, node);
  if (typo !== undefined) return `${typo}${allowed}`;
  const version = path.length === 1 && path[0] === "version" ? ", which this program does not read" : "";
  return `is ${describe(found, path)}${version}${allowed}`;
}

/** YAML took a number for a text or the other way round: `protocol: 5`, `version: "1"`. */
function quotesMistake(found: unknown, node: SchemaNode): string | undefined {
  const wanted = node.enum ?? (node.const === undefined ? [] : [node.const]);
  if (typeof found === "string" && wanted.some((option) => option !== found && String(option) === found)) {
    return `is the text "${found}"; take the quotes away`;
  }
  if (node.type !== "string" || (typeof found !== "number" && typeof found !== "boolean")) return undefined;
  const text = String(found);
  const fits = wanted.length > 0 ? wanted.includes(text) : new RegExp(node.pattern ?? "").test(text);
  return fits ? `is a ${typeof found}; put it in quotes` : undefined;
}

function unknownKey(key: string, allowed: readonly string[]): string {
  const nearest = nearestOf(key, allowed);
  const hint = nearest === undefined ? "" : `did you mean ${nearest}? `;
  return `is no known key; ${hint}allowed: ${allowed.join(", ")}`;
}

/** What stands there, short, and without anything that may be a secret. */
function describe(value: unknown, path: Path): string {
  if (value === null || value === "") return "empty";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "a mapping";
  if (/password|secret|token/.test(String(path.at(-1)))) return `a ${typeof value}`;
  if (typeof value !== "string") return String(value);
  return hideCredentials(JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value));
}

function hideCredentials(text: string): string {
  return text.replace(/\/\/[^/\s"]*@/g, "//***@");
}
