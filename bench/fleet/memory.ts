/**
 * `node bench/fleet/memory.ts [GATEWAYS]`: what gateways cost a real bridge in memory. They publish births, states and a
 * record of each asset through Mosquitto; the bridge writes Kafka, collects its garbage, and tells what is left. Prints a
 * line per step; docs/SCALE.md has its figures.
 */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync, type MqttClient } from "mqtt";
import { BridgeProcess } from "../../test/kafka/bridge-process.ts";
import { startKafka } from "../../test/kafka/kafka.ts";
import { startMosquitto } from "../../test/support/broker.ts";
import { until } from "../../test/support/wait.ts";
import { ASSETS, type Publish, SimulatedGateway } from "./records.ts";

const GATEWAYS = Number(process.argv[2] ?? 5000);
const PARTITIONS = 16;
const LIMIT_MS = 300_000;
const AT_ONCE = 500;
const CALM_MS = 8000;
const MIB = 1024 ** 2;

interface Memory {
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
}

/** Of the bridge after its garbage was collected. */
async function memoryOf({ stderr }: BridgeProcess): Promise<Memory> {
  const url = /Debugger listening on (ws:\S+)/.exec(stderr)?.[1];
  if (url === undefined) throw new Error("the bridge does not run with --inspect");
  const socket = new WebSocket(url);
  await once(socket, "open");
  const expression = "gc(); gc(); JSON.stringify(process.memoryUsage())";
  socket.send(JSON.stringify({ id: 1, method: "Runtime.evaluate", params: { expression } }));
  const [event] = (await once(socket, "message")) as [MessageEvent];
  socket.close();
  const { result } = JSON.parse(String(event.data)) as { result: { result: { value: string } } };
  return JSON.parse(result.result.value) as Memory;
}

async function publishAll(client: MqttClient, publishes: readonly Publish[], retain: boolean): Promise<void> {
  for (let at = 0; at < publishes.length; at += AT_ONCE) {
    const some = publishes.slice(at, at + AT_ONCE);
    await Promise.all(some.map(({ topic, payload }) => client.publishAsync(topic, payload, { qos: 1, retain })));
  }
}

/** A birth of the same size that differs. */
function nextBirth(gateway: SimulatedGateway, version: number): Publish {
  const [birth] = gateway.presence();
  if (birth === undefined) throw new Error("a gateway without a birth");
  return { ...birth, payload: String(birth.payload).replace("busbar bench", `busbar ben${version % 10}`) };
}

/** Well, with nothing waiting, for as long as buffers of what it did before are kept. */
async function well(bridge: BridgeProcess): Promise<void> {
  let sinceMs = performance.now();
  const is = async (): Promise<boolean> => {
    const health = await bridge.health();
    const calm = health?.status === "ok" && health.owned.length === PARTITIONS && health.oldest_unacknowledged_s === 0;
    if (!calm) sinceMs = performance.now();
    return performance.now() - sinceMs > CALM_MS;
  };
  await until("the bridge is well and nothing waits", is, LIMIT_MS);
}

async function main(): Promise<void> {
  await using opened = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), "busbar-memory-"));
  opened.defer(() => rmSync(dir, { recursive: true }));
  const { brokers } = opened.use(await startKafka({ nodes: 1 }));
  const { url } = opened.use(await startMosquitto({ maxInflight: 2000, record: false }));
  process.env.NODE_OPTIONS = "--expose-gc --inspect=127.0.0.1:0";
  const bridge = new BridgeProcess({ dir, id: "a", mqttUrl: url, brokers, kafka: { partitions: PARTITIONS } });
  opened.use(bridge);
  const client = await connectAsync(url, { protocolVersion: 5 });
  opened.defer(() => client.endAsync(true));
  await bridge.start();
  await well(bridge);
  let before: Memory | undefined;
  const tell = async (what: string, gateways: number): Promise<void> => {
    await well(bridge);
    const now = await memoryOf(bridge);
    const [heap, external] = [now.heapUsed - (before?.heapUsed ?? 0), now.external - (before?.external ?? 0)];
    const each =
      before === undefined
        ? ""
        : `; ${Math.round(heap / gateways)} B heap and ${Math.round(external / gateways)} B external more for each`;
    before = now;
    console.log(
      `${what}: resident ${(now.rss / MIB).toFixed(0)} MiB, heap ${(now.heapUsed / MIB).toFixed(1)} MiB, external ${(now.external / MIB).toFixed(1)} MiB${each}`,
    );
  };
  const all = Array.from({ length: GATEWAYS + 200 }, (_, number) => new SimulatedGateway(number));
  const [warm, fleet] = [all.slice(GATEWAYS), all.slice(0, GATEWAYS)];
  const records = (some: readonly SimulatedGateway[]): Publish[] =>
    some.flatMap((gateway) => Array.from({ length: ASSETS }, () => gateway.next("mixed")));
  await publishAll(client, records(warm), false);
  await tell("200 gateways, warmed up", 1);
  await publishAll(client, records(fleet), false);
  await tell(`records of ${GATEWAYS} gateways, ${GATEWAYS * ASSETS} topics`, GATEWAYS);
  await publishAll(
    client,
    fleet.flatMap((gateway) => [...gateway.presence()]),
    true,
  );
  await tell("a birth and a state of each", GATEWAYS);
  await publishAll(
    client,
    fleet.map((gateway) => nextBirth(gateway, 1)),
    true,
  );
  await tell("a second birth of each", GATEWAYS);
  await bridge.end("SIGTERM");
  bridge.stderr = "";
  before = undefined;
  await bridge.start();
  await tell("started again, all read from Kafka", GATEWAYS);
}

await main();
