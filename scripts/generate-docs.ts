/** Writes the references of both configuration files and their JSON Schemas; with --check only tells whether they are fresh (exit 1). */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { bridgeJsonSchema, bridgePage, configurationPage, jsonSchema } from "./reference.ts";

const PAGES = {
  "docs/CONFIGURATION.md": configurationPage,
  "docs/busbar.schema.json": jsonSchema,
  "docs/BRIDGE-CONFIGURATION.md": bridgePage,
  "docs/bridge.schema.json": bridgeJsonSchema,
};

const { values } = parseArgs({ options: { check: { type: "boolean" } } });
for (const [path, render] of Object.entries(PAGES)) {
  const file = new URL(`../${path}`, import.meta.url);
  const text = render();
  if (values.check !== true) writeFileSync(file, text);
  else if (read(file) !== text) {
    process.stderr.write(`${path}: is stale; run node scripts/generate-docs.ts\n`);
    process.exitCode = 1;
  }
}

function read(file: URL): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
