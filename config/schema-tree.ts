/** The configuration's JSON Schema, made from the zod schemas: for editors, the reference, and what errors say is allowed. */
import { z } from "zod";
import type { Path } from "./problem.ts";

/** The part of JSON Schema (2020-12) that our schemas come out as. `allowed`, `kind` and `range` are ours: the same in words. */
export interface SchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly minItems?: number;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | SchemaNode;
  readonly items?: SchemaNode;
  readonly oneOf?: readonly SchemaNode[];
  readonly dependentRequired?: Readonly<Record<string, readonly string[]>>;
  readonly allowed?: string;
  readonly kind?: string;
  readonly range?: string;
}

/** What the file may hold, as people write it: durations and defaults are texts. */
export function schemaTree(schema: z.ZodType): SchemaNode {
  return z.toJSONSchema(schema, { io: "input" }) as SchemaNode;
}

/** What is allowed at a path; `value` is the whole file's, which tells a source's driver. Undefined where nothing is. */
export function nodeAt(root: SchemaNode, path: Path, value: unknown): SchemaNode | undefined {
  let node: SchemaNode | undefined = root;
  let here = value;
  for (const part of path) {
    if (node === undefined) return undefined;
    node = branchOf(node, here);
    if (typeof part === "number") node = node.items;
    else node = node.properties?.[part] ?? anyProperty(node);
    here = childOf(here, part);
  }
  return node === undefined ? undefined : branchOf(node, here);
}

/** One of the drivers' schemas, or while the driver is not known one that says which drivers there are. */
function branchOf(node: SchemaNode, value: unknown): SchemaNode {
  if (node.oneOf === undefined || node.properties !== undefined) return node;
  const driver = childOf(value, "driver");
  const branch = node.oneOf.find((option) => option.properties?.driver?.const === driver);
  if (branch !== undefined) return branch;
  const drivers = node.oneOf.map((option) => option.properties?.driver?.const);
  const allowed = `a mapping with a driver (${drivers.join(", ")})`;
  return { type: "object", allowed, properties: { driver: { enum: drivers } } };
}

function anyProperty(node: SchemaNode): SchemaNode | undefined {
  return typeof node.additionalProperties === "object" ? node.additionalProperties : undefined;
}

/** The member of a mapping or list; undefined where there is none. */
export function childOf(value: unknown, part: string | number): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
  return (value as Record<string | number, unknown>)[part];
}

/** What is allowed in words: `8N1, 8N2, 8E1, 8O1`, `a whole number from 1 to 65535`, `a mapping of id, unit, profile`. */
export function allowedText(node: SchemaNode): string {
  if (node.allowed !== undefined) return node.allowed;
  if (node.const !== undefined) return String(node.const);
  if (node.enum !== undefined) return node.enum.join(", ");
  if (node.type === "integer") return `a whole number from ${node.minimum} to ${node.maximum}`;
  if (node.type === "array") return `a list${node.minItems === undefined ? "" : ` of at least ${node.minItems}`}`;
  if (node.properties !== undefined) return `a mapping of ${Object.keys(node.properties).join(", ")}`;
  if (node.type === "object") return "a mapping";
  return node.type === "string" ? "a text" : String(node.type);
}
