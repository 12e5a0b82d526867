/** Kafka and MQTT fail under the bridge: it says so, acknowledges nothing that Kafka does not have, and heals by itself. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { KafkaCluster } from "../../hw-sim/kafka/cluster.ts";
import { recordBytes } from "../bridge/records.ts";
import { until } from "../support/wait.ts";
import { startKafka } from "./kafka.ts";
import { type Line, startLine } from "./line.ts";
import { openWriter } from "./records.ts";
import { NO_RIG } from "./rig.ts";

const skip = NO_RIG;
const HEALS_MS = 45_000;
let cluster: KafkaCluster;
before(async () => {
  if (skip === false) cluster = await startKafka({ nodes: 1 });
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

async function publishRange(line: Line, from: number, to: number): Promise<void> {
  for (let seq = from; seq <= to; seq++) await line.publish("gw-1", "data/meter-1", recordBytes({ seq }));
}

async function seqs(line: Line): Promise<number[]> {
  return (await line.read("telemetry")).map(({ headers }) => Number(headers.seq));
}

function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, i) => i + 1);
}

async function statusIs(line: Line, status: string): Promise<void> {
  await until(`the bridge is ${status}`, async () => (await line.bridge.health())?.status === status, HEALS_MS).catch(
    async (error: Error) => {
      throw new Error(
        `${error.message}; ${JSON.stringify(await line.bridge.health())} ${line.bridge.stderr.slice(-2000)}`,
      );
    },
  );
}

test("Kafka is away when the bridge starts, and goes away later", { skip }, async () => {
  await cluster.kill(1, "SIGKILL");
  await using line = await startLine({ cluster, name: "away" });
  await line.bridge.start();
  await until("the health page tells", async () => /kafka/.test((await line.bridge.health())?.problem ?? ""), 20_000);
  await cluster.restart(1);
  await line.ready();
  await publishRange(line, 1, 20);
  await line.arrived("telemetry", 20);
  await cluster.kill(1, "SIGKILL");
  await publishRange(line, 21, 60);
  await statusIs(line, "failed");
  await cluster.restart(1);
  await line.arrived("telemetry", 60);
  await statusIs(line, "ok");
  assert.deepEqual(await seqs(line), upTo(60));
});

test("a topic is deleted under the bridge", { skip }, async () => {
  await using line = await startLine({ cluster, name: "deleted" });
  await line.bridge.start();
  await line.ready();
  await publishRange(line, 1, 10);
  await line.arrived("telemetry", 10);
  await using writer = await openWriter(cluster.brokers);
  await writer.admin.deleteTopics({ topics: ["deleted.telemetry"] });
  const there = async (): Promise<boolean> => !(await writer.admin.listTopics()).includes("deleted.telemetry");
  await until("it is gone", there, 10_000);
  await publishRange(line, 11, 20);
  // What was deleted is gone; what comes is written to the one that the bridge makes.
  await until("the topic is there again", async () => !(await there()), HEALS_MS);
  const seen = await line.arrived("telemetry", 10);
  assert.deepEqual(
    seen.map(({ headers }) => Number(headers.seq)),
    upTo(20).slice(10),
  );
  await statusIs(line, "ok");
});

test("the MQTT server restarts, with and without what it kept", { skip }, async () => {
  await using line = await startLine({ cluster, name: "mqtt" });
  await line.bridge.start();
  await line.ready();
  await publishRange(line, 1, 10);
  await line.arrived("telemetry", 10);
  await line.broker.stop();
  await statusIs(line, "failed");
  await line.broker.start();
  await publishRange(line, 11, 20);
  await line.arrived("telemetry", 20);
  await statusIs(line, "ok");
  // SIGKILL loses what Mosquitto had not saved, sessions among it.
  await line.broker.kill();
  await line.broker.start();
  await statusIs(line, "ok");
  await publishRange(line, 15, 30);
  await line.arrived("telemetry", 30);
  assert.deepEqual(await seqs(line), upTo(30));
});
