/** What the drivers say (profiles that are not there, …) comes out with lines, beside errors of the schema. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { loadSite, type SiteCheck } from "../../config/load.ts";

const folder = mkdtempSync(join(tmpdir(), "busbar-checks-"));
after(() => rmSync(folder, { recursive: true }));

function errorsOf(yaml: string, ...checks: SiteCheck[]): string[] {
  const file = join(folder, "busbar.yaml");
  writeFileSync(file, yaml);
  const result = loadSite(file, checks);
  return result.ok ? [] : result.errors.map(({ line, path, message }) => `${line}: ${path}: ${message}`);
}

/** Knows one profile only. */
const profiles: SiteCheck = (site) =>
  site.sources.flatMap((source, i) =>
    source.devices.flatMap(({ profile }, j) =>
      profile === "known" ? [] : [{ path: ["sources", i, "devices", j, "profile"], message: `no profile ${profile}` }],
    ),
  );

const HEAD = "version: 1\ngateway: { id: a }\nuplink: { url: mqtt://host }\nsources:\n";

test("a check's result has the line of its path", () => {
  const yaml = `${HEAD}  - id: s
    driver: modbus
    tcp: { host: h }
    devices:
      - { id: a, profile: known }
      - id: b
        unit: 2
        profile: unknown
`;
  assert.deepEqual(errorsOf(yaml, profiles), ["12: sources[0].devices[1].profile: no profile unknown"]);
});

test("what the schema refuses does not hide what a check finds elsewhere, and its places stay right", () => {
  const yaml = `version: 2
sources:
  - nonsense
  - id: bad id
    driver: modbus
    tcp: { host: h, port: 0 }
    devices:
      - { id: a, profile: 5x!, unit: 1 }
      - 7
      - { id: b, profile: unknown-1, unit: 2, poll_interval: 1, colour: red }
      - { profile: unknown-2, unit: 3 }
  - id: can
    driver: can
    interface: sim:one
    devices: [ { id: c, profile: unknown-3, max_age: never }, { id: d, profile: known } ]
`;
  const found = errorsOf(yaml, profiles).filter((error) => error.includes("no profile "));
  assert.deepEqual(found, [
    "10: sources[1].devices[2].profile: no profile unknown-1",
    "11: sources[1].devices[3].profile: no profile unknown-2",
    "15: sources[2].devices[0].profile: no profile unknown-3",
  ]);
});

test("nothing is said twice about one path, nor about what was taken out", () => {
  const yaml = `${HEAD}  - id: s
    driver: modbus
    tcp: { host: h, port: 0 }
    devices: [ { id: a, profile: known }, { id: a, unit: 2, profile: known } ]
`;
  const echo: SiteCheck = () => [
    { path: ["sources", 0, "devices", 1, "id"], message: "again" },
    { path: ["sources", 0, "tcp", "port"], message: "about the default that replaced it" },
    { path: ["sources", 0], message: "about what holds it" },
  ];
  assert.deepEqual(errorsOf(yaml, echo), [
    "7: sources[0].tcp.port: is 0; allowed: a whole number from 1 to 65535",
    "8: sources[0].devices[1].id: a is already used on line 8; allowed: each asset id once",
  ]);
});

test("a check sees absolute paths, may say several lines, and may fail", () => {
  const yaml = `${HEAD}  - id: s
    driver: modbus
    tcp: { host: h }
    devices: [ { id: a, profile: ./p.yaml } ]
`;
  const lines: SiteCheck = (site) => [
    { path: ["sources", 0, "devices", 0, "profile"], message: `${site.sources[0]?.devices[0]?.profile}:1: bad\nworse` },
  ];
  const throws: SiteCheck = () => {
    throw new Error("broken");
  };
  assert.deepEqual(errorsOf(yaml, lines, throws), [
    "1: : a check failed: broken; correct the other errors first",
    `8: sources[0].devices[0].profile: ${join(folder, "p.yaml")}:1: bad`,
    "8: sources[0].devices[0].profile: worse",
  ]);
});

test("no check is run without a source", () => {
  let ran = false;
  errorsOf("version: 1\nsources: []\n", () => {
    ran = true;
    return [];
  });
  assert.equal(ran, false);
});
