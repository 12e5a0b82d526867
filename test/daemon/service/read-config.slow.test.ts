import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { readConfig, readConfigAside } from "../../../daemon/service/read-config.ts";

const PROFILES = fileURLToPath(new URL("../../../profiles", import.meta.url));
const SITE = `version: 1
gateway: { id: gw }
uplink: { url: "mqtt://127.0.0.1:9" }
sources:
  - { id: lan, driver: modbus, tcp: { host: 10.0.0.5 }, devices: [ { id: m, profile: ./meter.yaml } ] }
  - { id: van, driver: can, interface: sim:x, devices: [ { id: v, profile: ./nissan-leaf.yaml } ] }
  - { id: bus, driver: can, interface: sim:y, devices: [ { id: w, profile: nissan-leaf } ] }
`;

function bench(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), "busbar-read-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  cpSync(join(PROFILES, "modbus/eastron-sdm630.yaml"), join(dir, "meter.yaml"));
  for (const name of ["nissan-leaf.yaml", "nissan-leaf.dbc"]) cpSync(join(PROFILES, "can", name), join(dir, name));
  const file = join(dir, "busbar.yaml");
  writeFileSync(file, SITE);
  const keys = (): readonly string[] => {
    const read = readConfig(file);
    assert.ok(read.ok, JSON.stringify(read));
    return read.sourceKeys;
  };
  return { dir, file, keys };
}

test("a source has the same key until its part of the file, its profile or its DBC file changes", (t) => {
  const { dir, file, keys } = bench(t);
  const changed = (path: string, from: string, to: string): boolean[] => {
    const before = keys();
    const text = readFileSync(path, "utf8");
    assert.ok(text.includes(from), from);
    writeFileSync(path, text.replace(from, to));
    return keys().map((key, i) => key !== before[i]);
  };
  assert.equal(new Set(keys()).size, 3);
  assert.deepEqual(changed(file, "version: 1", "version: 1  # the first"), [false, false, false]);
  assert.deepEqual(changed(file, "gateway: { id: gw }", "gateway: { id: other }"), [false, false, false]);
  assert.deepEqual(changed(file, "10.0.0.5", "10.0.0.6"), [true, false, false]);
  assert.deepEqual(changed(join(dir, "meter.yaml"), "\n", "\n# mine\n"), [true, false, false]);
  assert.deepEqual(changed(join(dir, "nissan-leaf.dbc"), "\n", "\n\n"), [false, true, false]);
});

test("on a thread of its own the result is the same, right or wrong", async (t) => {
  const { file } = bench(t);
  assert.deepEqual(await readConfigAside(file), readConfig(file));
  writeFileSync(file, SITE.replace("version: 1", "version: 2"));
  const wrong = await readConfigAside(file);
  assert.deepEqual(wrong, readConfig(file));
  assert.match(!wrong.ok ? (wrong.errors[0] ?? "") : "", /busbar\.yaml:1: version: /);
});
