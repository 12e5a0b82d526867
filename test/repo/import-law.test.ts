import assert from "node:assert/strict";
import { test } from "node:test";
import { findCycle, reachable, readSources, type SourceFile } from "./imports.ts";

const sources = readSources();
const product = sources.filter(({ path }) => !/^(test|bench|examples)\//.test(path));
const files = new Map(product.map((file) => [file.path, file]));

/** Each heavy package has one importing file per role. */
const HEAVY: Readonly<Record<string, readonly string[]>> = {
  aedes: ["daemon/status/local-broker.ts", "hw-sim/cloud.ts"],
  "better-sqlite3": ["store-forward/outbox/sqlite.ts"],
  kafkajs: ["bridge/kafka/client.ts"],
  "modbus-serial": ["drivers/modbus/client.ts"],
  mqtt: ["store-forward/uplink/connection.ts"],
  // mqtt's own parser: the bridge acknowledges when Kafka has a record, which mqtt.js cannot wait for.
  "mqtt-packet": ["bridge/mqtt/wire.ts", "daemon/status/local-broker.ts", "store-forward/uplink/reason-codes.ts"],
  "prom-client": ["bridge/metrics.ts"],
  serialport: ["drivers/modbus/link-serial.ts"],
  socketcan: ["drivers/can/socketcan.ts"],
  systeminformation: ["daemon/status/host.ts"],
};

/** What a folder may import of ours; a module's config.ts imports only core, and config/ may import those. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  config: ["core"],
  drivers: ["core"],
  "store-forward": ["core"],
  daemon: ["core", "config", "drivers", "store-forward"],
  bridge: ["core", "config"],
  "hw-sim": ["core"],
};

/** Where the layers are crossed on purpose. */
const ALLOWED: readonly (readonly [from: RegExp, to: RegExp])[] = [
  [/^config\//, /\/config\.ts$/],
  // The verb; it loads the bridge when it is called.
  [/^daemon\/cli\/bridge\.ts$/, /^bridge\//],
  // The demonstration starts bridges and shows what Kafka holds.
  [/^hw-sim\/demo-kafka/, /^bridge\//],
  // `npm start` shows the daemon's own status table.
  [/^hw-sim\/demo/, /^daemon\/status\/table\.ts$/],
];

const folderOf = (path: string): string => path.split("/")[0] as string;

test("folders import only what lies before them on a sample's way", () => {
  const wrong: string[] = [];
  for (const { path, local } of product) {
    const folder = folderOf(path);
    const allowed = LAYERS[folder];
    if (allowed === undefined) continue;
    const may = path.endsWith("/config.ts") && folder !== "config" ? ["core"] : allowed;
    for (const target of local) {
      const to = folderOf(target);
      const onPurpose = ALLOWED.some(([from, into]) => from.test(path) && into.test(target));
      if (to !== folder && !may.includes(to) && !onPurpose) wrong.push(`${path} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("each heavy package has exactly one importing file per role", () => {
  const found: Record<string, string[]> = {};
  for (const name of Object.keys(HEAVY)) found[name] = [];
  for (const { path, packages } of product) {
    for (const name of packages) found[name.split("/")[0] as string]?.push(path);
  }
  for (const [name, paths] of Object.entries(found)) {
    assert.deepEqual([...new Set(paths)].sort(), [...(HEAVY[name] as string[])].sort(), name);
  }
});

test("nothing that the field thread loads reaches SQLite or MQTT", () => {
  const loaded = reachable("daemon/cli/run.ts", files);
  const paths = loaded.map(({ path }) => path);
  assert.ok(paths.includes("drivers/modbus/client.ts"), "the walk follows imports");
  const heavy = loaded.flatMap(({ path, packages }) => {
    return packages
      .filter((name) => ["better-sqlite3", "mqtt", "aedes"].includes(name))
      .map((name) => `${path}: ${name}`);
  });
  assert.deepEqual(heavy, []);
});

test("nothing but the bridge's own verb loads the bridge, and the gateway no Kafka", () => {
  const loaded = ["daemon/cli/run.ts", "store-forward/thread.ts", "daemon/status/thread.ts"].flatMap((start) => {
    return reachable(start, files);
  });
  const kafka = loaded.filter(({ path, packages }) => path.startsWith("bridge/") || packages.includes("kafkajs"));
  assert.deepEqual(
    kafka.map(({ path }) => path),
    [],
  );
  const verb = files.get("daemon/cli/bridge.ts");
  assert.ok(verb?.local.some((path) => path.startsWith("bridge/")));
  assert.doesNotMatch(verb?.text ?? "", /from "\.\.\/\.\.\/bridge/, "the verb loads the bridge when it is called");
});

test("no imports go in a circle", () => {
  assert.equal(findCycle(new Map(sources.map((file) => [file.path, file])))?.join(" → "), undefined);
});

test("the simulator shares no protocol code with the drivers", () => {
  const loaded = reachable("hw-sim/main.ts", files).map(({ path }) => path);
  assert.ok(loaded.includes("hw-sim/site.ts"), "the walk follows imports");
  assert.deepEqual(
    loaded.filter((path) => /^(drivers|store-forward)\//.test(path)),
    [],
  );
});

test("no file is longer than 300 lines", () => {
  const lines = ({ text }: SourceFile): number => text.split("\n").length - 1;
  assert.deepEqual(
    sources.filter((file) => lines(file) > 300).map((file) => `${file.path}: ${lines(file)}`),
    [],
  );
});
