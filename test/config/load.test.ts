import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { formatConfigError } from "../../config/checked-file.ts";
import { loadSite } from "../../config/load.ts";
import { publishIntervalMs, uplinkConfig } from "../../store-forward/config.ts";

const FOLDER = fileURLToPath(new URL("../fixtures/config/", import.meta.url)).replace(/\/$/, "");
const EXAMPLE = fileURLToPath(new URL("../../examples/busbar.yaml", import.meta.url));

/** The errors of a file as FILE.errors writes them, which are written by hand: `LINE: path: message`. */
function errorsOf(file: string): string[] {
  const result = loadSite(file);
  if (result.ok) return [];
  return result.errors.map((error) => {
    const text = formatConfigError(error);
    assert.ok(text.startsWith(`${file}:`), text);
    return text.slice(file.length + 1).replaceAll(FOLDER, "<folder>");
  });
}

for (const name of readdirSync(FOLDER).filter((file) => file.endsWith(".errors"))) {
  test(`every error of ${name} on its line`, () => {
    const expected = readFileSync(join(FOLDER, name), "utf8").trimEnd().split("\n");
    assert.deepEqual(errorsOf(join(FOLDER, name.replace(".errors", ".yaml"))), expected);
  });
}

function siteOf(file: string) {
  const result = loadSite(file);
  assert.ok(result.ok, JSON.stringify(result));
  return result;
}

test("values come out in milliseconds and bytes, paths absolute, what is absent by default", () => {
  const { site, file } = siteOf(join(FOLDER, "good.yaml"));
  const at = (path: string) => join(FOLDER, path);
  assert.equal(file, at("good.yaml"));
  assert.deepEqual(site.uplink, {
    url: "mqtts://[2001:db8::1]:8883",
    protocol: "auto",
    username: "depot-berlin-01",
    password_file: at("files/secret"),
    qos: { critical: 2, telemetry: 1 },
    publish_interval: 1500,
    window: 100,
    prune_on: "puback",
    link: "unmetered",
    now: { when: "backlog", interval: 1000 },
    keepalive: 30_000,
  });
  assert.deepEqual(site.store, {
    path: at("state/outbox.db"),
    max_size: 1_610_612_736,
    min_free: 134_217_728,
    commit_interval: 1000,
    when_full: "drop_oldest",
  });
  assert.deepEqual(site.fast_path, { to: [{ host: "239.255.66.66", port: 47_066 }] });
  assert.deepEqual(site.local, {
    mqtt: { listen: { host: "::1", port: 0 } },
    http: { listen: { host: "0.0.0.0", port: 8066 }, username: "technician", password_file: at("files/secret") },
  });
  assert.deepEqual(site.sources, [
    {
      id: "rs485",
      driver: "modbus",
      // To YAML 1.2 an unquoted 8E1 is the number 80.
      rtu: { port: "/dev/ttyUSB0", baud: 19_200, format: "8E1" },
      control: "none",
      devices: [
        { id: "meter-1", unit: 1, profile: at("../profiles/our-meter.yaml"), poll_interval: 300_000, timeout: 1500 },
        { id: "meter-2", unit: 2, profile: "eastron-sdm630", timeout: 1500 },
      ],
    },
    {
      id: "log",
      driver: "can",
      interface: `log:${at("files/secret")}`,
      transmit: "none",
      devices: [{ id: "van-7", dbc: at("files/secret"), signals: { "Vehicle.Speed": "VehSpd.Speed_kph" } }],
    },
  ]);
});

test("the example in the repository is right", () => {
  const { site } = siteOf(relative(process.cwd(), EXAMPLE));
  assert.deepEqual(
    site.sources.map(({ id, devices }) => [id, devices.map((device) => device.id)]),
    [
      ["rs485", ["wallbox-1", "meter-1"]],
      ["charger-lan", ["wallbox-2"]],
    ],
  );
  assert.equal(site.store.path, "/var/lib/busbar/outbox.db");
});

test("a folder that holds something in place of the outbox is refused: it would be set aside like a damaged file", () => {
  const errors = errorsOf(join(FOLDER, "store-folder.yaml"));
  assert.deepEqual(errors, ["3: store.path: <folder>/files is a directory; allowed: a file, such as files/outbox.db"]);
  const folder = mkdtempSync(join(tmpdir(), "busbar-config-"));
  try {
    cpSync(join(FOLDER, "store-folder.yaml"), join(folder, "busbar.yaml"));
    mkdirSync(join(folder, "files"));
    assert.deepEqual(errorsOf(join(folder, "busbar.yaml")), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a link in place of the outbox: the file is where it leads, there or not", () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "busbar-config-")));
  try {
    const file = join(folder, "busbar.yaml");
    cpSync(join(FOLDER, "store-folder.yaml"), file);
    symlinkSync("usb/outbox.db", join(folder, "files"));
    assert.equal(siteOf(file).site.store.path, join(folder, "usb/outbox.db"));
    mkdirSync(join(folder, "usb"));
    symlinkSync("../files", join(folder, "usb/outbox.db"));
    assert.equal(siteOf(file).site.store.path, join(folder, "files"), "links in a circle are left as they are");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a space that does not break, as copied from a data sheet, is a space", () => {
  for (const publish_interval of ["10 s", "10\u00a0s", "10\u202fs", "10s"])
    assert.equal(uplinkConfig.parse({ url: "mqtt://cloud:1883", publish_interval }).publish_interval, 10_000);
  assert.equal(uplinkConfig.safeParse({ url: "mqtt://cloud:1883", publish_interval: "10  s" }).success, false);
});

test("over a metered link records are sealed every minute, unless told otherwise", () => {
  const sealed = (link: object): number => publishIntervalMs(uplinkConfig.parse({ url: "mqtt://cloud:1883", ...link }));
  assert.equal(sealed({}), 10_000);
  assert.equal(sealed({ link: "metered" }), 60_000);
  assert.equal(sealed({ link: "metered", publish_interval: "10 s" }), 10_000);
});
