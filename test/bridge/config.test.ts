import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadBridge } from "../../bridge/load.ts";
import { formatConfigError } from "../../config/checked-file.ts";

const dir = mkdtempSync(join(tmpdir(), "busbar-bridge-"));
after(() => rmSync(dir, { recursive: true }));
writeFileSync(join(dir, "secret"), "geheim\n");
const FILE = join(dir, "bridge.yaml");

function load(text: string) {
  writeFileSync(FILE, text);
  return loadBridge(FILE);
}

function errorsOf(text: string): string[] {
  const loaded = load(text);
  return loaded.ok ? [] : loaded.errors.map((error) => formatConfigError(error).slice(FILE.length + 1));
}

const LEAST = `version: 1
bridge: { id: b1 }
mqtt: { url: "mqtt://broker:1883" }
kafka: { brokers: [ "kafka:9092" ] }
`;

test("the least file, with what is absent by default", () => {
  const loaded = load(LEAST);
  assert.ok(loaded.ok);
  assert.deepEqual(loaded.value, {
    version: 1,
    bridge: { id: "b1", group: "busbar-bridge", receipt_interval: 30_000, birth_wait: 30_000 },
    mqtt: {
      url: "mqtt://broker:1883",
      protocol: "auto",
      session_expiry: 259_200_000,
      window: 2000,
      keepalive: 30_000,
    },
    kafka: {
      brokers: ["kafka:9092"],
      topic_prefix: "busbar",
      partitions: 16,
      values: "record",
      compression: "zstd",
      retention: 604_800_000,
      session_timeout: 6000,
      batch: { records: 1000, bytes: 524_288, age: 100 },
    },
    http: { listen: { host: "127.0.0.1", port: 8067 } },
  });
});

test("the example is a right file once its secrets are there", () => {
  const example = fileURLToPath(new URL("../../examples/bridge.yaml", import.meta.url));
  const loaded = loadBridge(example);
  assert.deepEqual(loaded.ok ? [] : loaded.errors.map(formatConfigError), []);
});

test("paths start from the file's folder", () => {
  const sasl = "sasl: { mechanism: plain, username: u, password_file: secret }, tls: { ca_file: ./secret }";
  const loaded = load(
    LEAST.replace('"mqtt://broker:1883"', '"mqtts://b:8883", username: u, password_file: secret').replace(
      'brokers: [ "kafka:9092" ]',
      `brokers: [ "[::1]:9092" ], ${sasl}`,
    ),
  );
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const { mqtt, kafka } = loaded.value;
  const files = [mqtt.password_file, kafka.sasl?.password_file, kafka.tls?.ca_file];
  assert.deepEqual(files, [join(dir, "secret"), join(dir, "secret"), join(dir, "secret")]);
  assert.deepEqual(kafka.brokers, ["[::1]:9092"]);
});

test("every mistake on its line", () => {
  const text = `version: 2
bridge: { id: "b 1", grop: x }
mqtt:
  url: mqtt://user:geheim@broker:1883
  password_file: secret
  window: 5
  ca_file: secret
kafka:
  brokers: []
  partitions: 12
  sasl: { mechanism: md5, username: u, password_file: gone }
  tls: { cert_file: secret }
  batch: { bytes: 1 KiB }
`;
  assert.deepEqual(
    errorsOf(text).map((error) => error.replaceAll(dir, "<dir>")),
    [
      "1: version: is 2, which this program does not read; allowed: 1",
      "2: bridge.id: is no bridge id; allowed: 1 to 64 of A-Z, a-z, 0-9, dot, _ and -",
      "2: bridge.grop: is no known key; did you mean group? allowed: id, group, receipt_interval, birth_wait",
      "4: mqtt.url: holds a user name or password; allowed: mqtt://host:port, mqtts://host:port, ws://host:port/path or wss://host:port/path, with username and password_file beside it",
      "5: mqtt.password_file: stands without username; allowed: both or none",
      "6: mqtt.window: is 5; allowed: a whole number from 10 to 65535",
      "7: mqtt.ca_file: is of no use without TLS; allowed: with a url of mqtts:// or wss://",
      "9: kafka.brokers: is an empty list; allowed: a list of at least 1",
      "10: kafka.partitions: is 12; allowed: 1, 2, 4, 8, 16, 32, 64",
      '11: kafka.sasl.mechanism: is "md5"; allowed: plain, scram-sha-256, scram-sha-512',
      "11: kafka.sasl.password_file: the file is not there; allowed: a file, relative to the configuration's folder",
      "12: kafka.tls.cert_file: stands without key_file; allowed: both or none",
      "13: kafka.batch.bytes: 1 KiB is out of range; allowed: a size from 16 KiB to 8 MiB, with its unit (B, KiB, MiB, GiB, TiB)",
    ],
  );
});

test("the server may be reached by WebSocket, and certificates go with wss", () => {
  const url = (text: string): string => LEAST.replace("mqtt://broker:1883", text);
  assert.deepEqual(errorsOf(url("ws://broker:8080/mqtt")), []);
  assert.deepEqual(errorsOf(url('wss://broker/mqtt", ca_file: "secret')), []);
  assert.match(
    errorsOf(url('ws://broker/mqtt", ca_file: "secret'))[0] ?? "",
    /^3: mqtt\.ca_file: is of no use without TLS/,
  );
  assert.match(errorsOf(url("http://broker"))[0] ?? "", /^3: mqtt\.url: is no server address; allowed: mqtt:.*wss:/);
});
