/** As much of JSON Schema 2020-12 as our schema uses; a keyword that it does not know is an error, not a pass. */
type Node = Readonly<Record<string, unknown>>;
type Rule = (argument: never, value: unknown, node: Node) => string[];

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const TYPES: Record<string, (value: unknown) => boolean> = {
  object: isMapping,
  array: Array.isArray,
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  integer: Number.isInteger,
};
const unless = (ok: boolean, why: string) => (ok ? [] : [why]);

const RULES: Record<string, Rule> = {
  type: (type: string, value) => unless(TYPES[type]!(value), `no ${type}`),
  const: (constant: unknown, value) => unless(value === constant, `not ${constant}`),
  enum: (options: unknown[], value) => unless(options.includes(value), `none of ${options}`),
  minimum: (least: number, value) => unless(typeof value !== "number" || value >= least, `below ${least}`),
  maximum: (most: number, value) => unless(typeof value !== "number" || value <= most, `above ${most}`),
  minLength: (least: number, value) => unless(typeof value !== "string" || value.length >= least, "too short"),
  minItems: (least: number, value) => unless(!Array.isArray(value) || value.length >= least, "too few"),
  pattern: (text: string, value) => unless(typeof value !== "string" || new RegExp(text, "u").test(value), text),
  not: (node: Node, value) => unless(accepts(node, value).length > 0, "is excluded"),
  oneOf: (nodes: Node[], value) =>
    unless(nodes.filter((node) => accepts(node, value).length === 0).length === 1, "oneOf"),
  items: (node: Node, value) => (Array.isArray(value) ? value.flatMap((item) => accepts(node, item)) : []),
  required: (keys: string[], value) => (isMapping(value) ? keys.filter((key) => !Object.hasOwn(value, key)) : []),
  properties: (nodes: Record<string, Node>, value) =>
    Object.entries(nodes).flatMap(([key, node]) =>
      isMapping(value) && Object.hasOwn(value, key) ? accepts(node, value[key]).map((why) => `${key}: ${why}`) : [],
    ),
  additionalProperties: (other: boolean | Node, value, node) =>
    (isMapping(value) ? Object.entries(value) : [])
      .filter(([key]) => !Object.hasOwn((node.properties ?? {}) as object, key))
      .flatMap(([key, item]) =>
        typeof other === "object" ? accepts(other, item) : unless(other, `${key} is unknown`),
      ),
  dependentRequired: (needs: Record<string, string[]>, value) =>
    Object.entries(needs).flatMap(([key, others]) =>
      isMapping(value) && Object.hasOwn(value, key) ? others.filter((other) => !Object.hasOwn(value, other)) : [],
    ),
  propertyNames: (node: Node, value) =>
    isMapping(value) ? Object.keys(value).flatMap((key) => accepts(node, key)) : [],
};
const ANNOTATIONS = new Set(["$schema", "title", "description", "default"]);

/** Why a value is refused; empty when it is accepted. */
export function accepts(schema: unknown, value: unknown): string[] {
  const node = schema as Node;
  return Object.entries(node).flatMap(([keyword, argument]) => {
    if (ANNOTATIONS.has(keyword)) return [];
    const rule = RULES[keyword];
    if (rule === undefined) throw new Error(`the JSON Schema uses ${keyword}, which this test does not know`);
    return rule(argument as never, value, node);
  });
}
