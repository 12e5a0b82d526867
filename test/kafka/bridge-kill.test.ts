/** SIGKILL at each point between Kafka and the PUBACK: what was under way is in Kafka once, not never and not twice. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { POINTS } from "../../bridge/kafka/sink.ts";
import type { KafkaCluster } from "../../hw-sim/kafka/cluster.ts";
import { recordBytes } from "../bridge/records.ts";
import { auditJson } from "./audit-run.ts";
import { startKafka } from "./kafka.ts";
import { type Line, startLine } from "./line.ts";
import { NO_RIG } from "./rig.ts";

const skip = NO_RIG;
const DYING = fileURLToPath(new URL("dying-bridge.ts", import.meta.url));
const GATEWAYS = ["gw-1", "gw-2", "gw-3", "gw-4", "gw-5"];
let cluster: KafkaCluster;
before(async () => {
  if (skip === false) cluster = await startKafka({ nodes: 1 });
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

/** Every record of every gateway, each published twice. */
async function publishAll({ publisher, publish }: Line, from: number, to: number): Promise<void> {
  const all: Promise<void>[] = [];
  for (let seq = from; seq <= to; seq++) {
    for (const gw of GATEWAYS) {
      const payload = recordBytes({ gw, seq });
      all.push(publish(gw, "data/meter-1", payload), publish(gw, "data/meter-1", payload));
    }
  }
  await Promise.all(all);
  assert.ok(publisher.connected);
}

for (const point of POINTS) {
  test(`killed when a transaction is ${point}`, { skip }, async () => {
    const name = `kill-${point}`;
    await using line = await startLine({ cluster, name, kafka: { batch: { records: 20 } } });
    // Makes topics and MQTT sessions.
    await line.bridge.start();
    await line.ready();
    await line.bridge.end("SIGTERM");
    await publishAll(line, 1, 20);
    const dying = spawn(process.execPath, [DYING, line.bridge.configFile, point, "2"], { stdio: "inherit" });
    const [exit, signal] = (await once(dying, "exit")) as [number | null, string | null];
    assert.deepEqual([exit, signal], [null, "SIGKILL"]);
    await publishAll(line, 21, 30);
    await line.bridge.start();
    const telemetry = await line.arrived("telemetry", 150);
    assert.equal(telemetry.length, 150);
    const { code, json } = await auditJson(cluster.brokers, name);
    assert.deepEqual([code, json.totals.missing, json.totals.doubled, json.totals.records], [0, 0, 0, 150]);
    // Only committed readers do not see what the killed transaction had sent: else the kill was not where it is meant.
    if (point === "sent") assert.ok((await line.uncommitted("telemetry")) > 150);
  });
}
