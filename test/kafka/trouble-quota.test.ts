/** The MQTT server's quotas are too small for the bridge: it says so, the others wait, and nothing is lost or doubled. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { KafkaCluster } from "../../hw-sim/kafka/cluster.ts";
import { until } from "../support/wait.ts";
import { auditOf } from "./audit-run.ts";
import { Fleet } from "./fleet.ts";
import { startKafka } from "./kafka.ts";
import { type Line, startLine } from "./line.ts";
import { QuotaProxy, type Refused } from "./quota-proxy.ts";
import { NO_RIG } from "./rig.ts";
import { assertAll, becomes, publishRange, told } from "./trouble.ts";

const skip = NO_RIG;
const LIMIT_MS = 60_000;
let cluster: KafkaCluster;
before(async () => {
  if (skip === false) cluster = await startKafka({ nodes: 1 });
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

/** What Mosquitto itself counts. */
async function dropped({ publisher }: Line): Promise<() => number> {
  let count = 0;
  publisher.on("message", (topic, payload) => {
    if (topic === "$SYS/broker/publish/messages/dropped") count = Number(payload);
  });
  await publisher.subscribeAsync("$SYS/broker/publish/messages/dropped");
  return () => count;
}

test("Mosquitto's queue and window are smaller than what waits for Kafka: gateways send again what it dropped", {
  skip,
}, async () => {
  const quotas = ["max_inflight_messages 15", "max_queued_messages 60", "sys_interval 1"];
  await using line = await startLine({ cluster, name: "queue", mosquitto: quotas });
  await line.bridge.start();
  await line.ready();
  const lost = await dropped(line);
  await using fleet = new Fleet({ url: line.broker.url, gateways: 6, recordsPerS: 100, doubledPercent: 10, seed: 5 });
  await until("a receipt", () => fleet.receipted > 50, LIMIT_MS);
  await cluster.kill(1, "SIGSTOP");
  try {
    await until("Mosquitto drops what it has no room for", () => lost() > 100, LIMIT_MS);
  } finally {
    await cluster.kill(1, "SIGCONT");
  }
  told(`Mosquitto's queue too small, ${lost()} dropped`, await becomes(line, "ok"));
  await fleet.finish(LIMIT_MS);
  const { code, json } = await auditOf(line.bridge.configFile);
  assert.deepEqual([code, json?.totals.missing, json?.totals.doubled, json?.totals.records], [0, 0, 0, fleet.sent]);
});

/** What the health page says of the MQTT side, of any partition. */
async function saysOfMqtt({ bridge }: Line, status: string, what: RegExp): Promise<void> {
  const says = async (): Promise<boolean> => {
    const health = await bridge.health();
    return health?.status === status && what.test(JSON.stringify(health.partitions));
  };
  await until(`${status}: ${what}`, says, LIMIT_MS).catch(async (error: Error) => {
    throw new Error(`${error.message}; ${JSON.stringify(await bridge.health())} ${bridge.stderr.slice(-1500)}`);
  });
}

test("an MQTT 5 server answers 0x97, Quota exceeded, to whatever the bridge sends", { skip }, async () => {
  await using proxy = await QuotaProxy.start();
  await using line = await startLine({ cluster, name: "quota", mqtt: { url: proxy.url } });
  proxy.toPort = line.broker.port;
  await line.bridge.start();
  await line.ready();
  const refusals: readonly [Refused, string, RegExp][] = [
    ["connect", "failed", /quota is exceeded; raise the quota of this client/],
    ["subscribe", "failed", /subscription.*quota is exceeded.*; raise the quota of this client/],
    ["publish", "degraded", /receipt.*quota is exceeded.*; raise the quota of this client/],
  ];
  let last = 0;
  for (const [kind, status, says] of refusals) {
    const before = proxy.refusals;
    proxy.refuse(kind);
    // The next connection logs in and subscribes again.
    if (kind !== "publish") proxy.disconnect();
    await publishRange(line, last + 1, last + 20);
    last += 20;
    await until(`${kind} is refused`, () => proxy.refusals > before, LIMIT_MS);
    await saysOfMqtt(line, status, says);
    proxy.refuse(undefined);
    told(`MQTT quota exceeded (${kind})`, await becomes(line, "ok"));
    await line.arrived("telemetry", last);
  }
  proxy.disconnect();
  await until("it says why the connection ended", () => /says that a quota/.test(line.bridge.stderr), LIMIT_MS);
  await publishRange(line, last + 1, last + 20);
  await line.arrived("telemetry", last + 20);
  told("MQTT quota exceeded (DISCONNECT)", await becomes(line, "ok"));
  await assertAll(line, last + 20);
});
