import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { parse } from "yaml";
import { bridgeJsonSchema, bridgePage, configurationPage, jsonSchema } from "../../scripts/reference.ts";
import { accepts } from "./json-schema.ts";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const page = read("docs/CONFIGURATION.md");
const schema: unknown = JSON.parse(read("docs/busbar.schema.json"));

test("the reference is fresh (else: node scripts/generate-docs.ts)", () => {
  assert.equal(configurationPage(), page);
  assert.equal(jsonSchema(), read("docs/busbar.schema.json"));
  assert.equal(bridgePage(), read("docs/BRIDGE-CONFIGURATION.md"));
  assert.equal(bridgeJsonSchema(), read("docs/bridge.schema.json"));
});

test("the page tells defaults and ranges as people write them", () => {
  const row = (key: string) => page.split("\n").find((line) => line.startsWith(`| \`${key}\` |`));
  const cells = (key: string) => row(key)?.split(" | ").slice(1, 4);
  assert.deepEqual(cells("commit_interval"), ["duration", "`1 s`", "50 ms to 60 s"]);
  assert.deepEqual(cells("max_size"), ["size", "`2 GiB`", "16 MiB to 16 TiB"]);
  assert.deepEqual(cells("min_free"), ["size", "`128 MiB`", "0 B to 1 TiB"]);
  assert.deepEqual(cells("keepalive"), ["duration", "`30 s`", "5 s to 10 min"]);
  assert.deepEqual(cells("to"), ["list", '`[ "239.255.66.66:47066" ]`', ""]);
  assert.deepEqual(cells("unit"), ["whole number", "`1`", "0 to 255"]);
});

test("every key has a description", () => {
  const rows = `${page}${bridgePage()}`.split("\n").filter((line) => line.startsWith("| `"));
  assert.ok(rows.length > 40);
  assert.deepEqual(
    rows.filter((line) => !/\| [^|]*\w[^|]* \|$/.test(line)),
    [],
  );
});

test("the JSON Schema takes the example and the good fixture, as other YAML tools read them", () => {
  for (const file of ["examples/busbar.yaml", "test/fixtures/config/good.yaml"]) {
    const value = parse(read(file).replace("format: 8E1", 'format: "8E1"'));
    assert.deepEqual(accepts(schema, value), [], file);
  }
});

test("the bridge's JSON Schema takes its example", () => {
  assert.deepEqual(accepts(JSON.parse(bridgeJsonSchema()), parse(read("examples/bridge.yaml"))), []);
});

const EXAMPLE = read("examples/busbar.yaml");
const BROKEN: Record<string, [string, string]> = {
  "another version": ["version: 1", "version: 2"],
  "a reserved gateway id": ["id: depot-berlin-01", "id: bridge"],
  "an unknown key": ["window: 100", "windows: 100"],
  "a range": ["window: 100", "window: 0"],
  "a duration without unit": ["publish_interval: 10 s", "publish_interval: 10"],
  "a duration's unit": ["publish_interval: 10 s", "publish_interval: 10 sec"],
  "a password in the address": ["mqtts://broker", "mqtts://u:p@broker"],
  "a password without a user": ["# password_file: secrets", "password_file: secrets"],
  "an unknown driver": ["driver: modbus", "driver: modbuz"],
  "two lines": ["rtu: { port", "tcp: { host: h }\n    rtu: { port"],
  "no profile": [", profile: eastron-sdm630", ""],
  "the gateway's own asset id": ["id: meter-1", "id: gateway"],
  "an address": ['"127.0.0.1:1883"', "1883"],
};
for (const [name, [from, to]] of Object.entries(BROKEN)) {
  test(`the JSON Schema refuses ${name}`, () => {
    assert.ok(EXAMPLE.includes(from), from);
    assert.notDeepEqual(accepts(schema, parse(EXAMPLE.replace(from, to))), []);
  });
}
