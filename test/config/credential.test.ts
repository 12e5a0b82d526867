import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { formatConfigError } from "../../config/checked-file.ts";
import { checkCredentials, credentialPath } from "../../config/credential.ts";
import { loadSite } from "../../config/load.ts";

const FILE = `version: 1
gateway: { id: gw }
uplink:
  url: mqtts://broker.example.com
  username: gw
  password_file: credential:uplink
local: { http: { listen: "0.0.0.0:8066", username: me, password_file: credential:page } }
sources:
  - { id: bus, driver: can, interface: sim:x, devices: [ { id: v, profile: nissan-leaf } ] }
`;

/** A configuration beside a folder of credentials, which is told in the environment or not. */
function bench(t: TestContext, given: boolean) {
  const dir = mkdtempSync(join(tmpdir(), "busbar-credential-"));
  const before = process.env.CREDENTIALS_DIRECTORY;
  const folder = join(dir, "credentials");
  mkdirSync(folder);
  if (given) process.env.CREDENTIALS_DIRECTORY = folder;
  else delete process.env.CREDENTIALS_DIRECTORY;
  t.after(() => {
    if (before === undefined) delete process.env.CREDENTIALS_DIRECTORY;
    else process.env.CREDENTIALS_DIRECTORY = before;
    rmSync(dir, { recursive: true, force: true });
  });
  const file = join(dir, "busbar.yaml");
  writeFileSync(file, FILE);
  return { file, folder };
}

const missing = (file: string, line: number, path: string, name: string): string => {
  return `${file}:${line}: ${path}: credential ${name} is not there; allowed: one that the unit loads, with LoadCredential=${name}:FILE`;
};

test("credentials are found in the folder that systemd names", (t) => {
  const { file, folder } = bench(t, true);
  for (const name of ["uplink", "page"]) writeFileSync(join(folder, name), "secret\n");
  const loaded = loadSite(file, [checkCredentials]);
  assert.ok(loaded.ok, JSON.stringify(loaded));
  assert.equal(loaded.site.uplink.password_file, join(folder, "uplink"));
  assert.equal(loaded.site.local.http.password_file, join(folder, "page"));
});

test("one that the unit does not load is told with its line and the remedy", (t) => {
  const { file, folder } = bench(t, true);
  writeFileSync(join(folder, "page"), "secret\n");
  const loaded = loadSite(file, [checkCredentials]);
  assert.deepEqual(!loaded.ok && loaded.errors.map(formatConfigError), [
    missing(file, 6, "uplink.password_file", "uplink"),
  ]);
});

test("a process without credentials: nothing is wrong with the file, but the service cannot start", (t) => {
  const { file } = bench(t, false);
  assert.equal(loadSite(file).ok, true);
  const loaded = loadSite(file, [checkCredentials]);
  assert.deepEqual(!loaded.ok && loaded.errors.map(formatConfigError), [
    missing(file, 6, "uplink.password_file", "uplink"),
    missing(file, 7, "local.http.password_file", "page"),
  ]);
});

test("a name does not lead out of the folder", () => {
  assert.equal(
    credentialPath("credential:../../etc/shadow", "/run/credentials/x"),
    "/run/credentials/x/.._.._etc_shadow",
  );
  assert.equal(credentialPath("secrets/uplink", "/run/credentials/x"), undefined);
});
