/** What of a gateway ends where in Kafka, byte by byte, and what the gateway hears back. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { birthId } from "../../bridge/intake.ts";
import { uplinkPrefix } from "../../core/topics.ts";
import type { KafkaCluster } from "../../hw-sim/kafka/cluster.ts";
import { arrival, EPOCH, recordBytes } from "../bridge/records.ts";
import { contract } from "../support/contracts.ts";
import { until } from "../support/wait.ts";
import { auditJson } from "./audit-run.ts";
import { startKafka } from "./kafka.ts";
import { type Line, startLine } from "./line.ts";
import { openWriter } from "./records.ts";
import { NO_RIG } from "./rig.ts";

const skip = NO_RIG;
const GW = "depot-berlin-01";
let cluster: KafkaCluster;
before(async () => {
  if (skip === false) cluster = await startKafka({ nodes: 1 });
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

/** What is retained under a gateway's topics now. */
async function retained({ publisher }: Line, topic: string): Promise<string | undefined> {
  let found: string | undefined;
  publisher.on("message", (name, payload) => {
    if (name === topic) found = payload.toString();
  });
  await publisher.subscribeAsync(topic, { qos: 1 });
  return await until(`something is retained under ${topic}`, () => found !== undefined, 15_000).then(() => found);
}

test("every kind of message goes to its topic, and its gateway gets a receipt", { skip }, async () => {
  await using line = await startLine({ cluster, name: "basic" });
  const alive = new Set<string>();
  line.publisher.on("message", (topic) => alive.add(topic));
  await line.publisher.subscribeAsync("busbar/v1/+/bridge/alive", { qos: 1 });
  await line.bridge.start();
  await line.ready();
  await until("a sign of life in every slot", () => alive.size === 256, 10_000);
  const file = (name: string): Buffer => contract(name);
  const packed = (name: string): Buffer => Buffer.from(file(name).toString(), "base64");
  await line.publish(GW, "state", file("state.json"), true);
  await line.publish(GW, "birth", file("birth.json"), true);
  await line.publish(GW, "data/meter-1", packed("record-data.bz1.b64"));
  await line.publish(GW, "data/meter-1", packed("record-data.zst.b64"));
  await line.publish(GW, "data/wallbox-1", file("record-data-stale.json"));
  await line.publish(GW, "event/van-7", file("record-event.json"));
  await line.publish(GW, "session/wallbox-1", file("record-session.json"));
  await line.publish(GW, "time", file("record-time.json"));
  await line.publish(GW, "gap", file("record-gap.json"));
  await line.publish(GW, "now/meter-1", file("now.json"));
  await line.publish(GW, "data/meter-1", Buffer.from("broken"));

  const telemetry = await line.arrived("telemetry", 2);
  assert.deepEqual(
    telemetry.map(({ value }) => value),
    [file("record-data.json").toString(), file("record-data-stale.json").toString()],
    "the record sent as BZ1 and as zstd is there once, as plain JSON",
  );
  assert.deepEqual(telemetry[0]?.headers, {
    gateway: GW,
    epoch: EPOCH,
    stream: "t",
    seq: "48213",
    event_time: "1795226000123",
    content_type: "application/json",
    version: "1",
  });
  assert.deepEqual(
    (await line.arrived("events", 3)).map(({ key }) => key),
    [`${GW}/van-7`, `${GW}/wallbox-1`, GW],
  );
  assert.deepEqual(
    (await line.arrived("gaps", 1)).map(({ key, value }) => [key, value]),
    [[GW, file("record-gap.json").toString()]],
  );
  const [session] = await line.arrived("sessions", 1);
  assert.equal(session?.key, `${GW}/wallbox-1/k3f9a1c2-71`);
  const gateways = (await line.arrived("gateways", 2)).filter(({ key }) => key !== "bridge");
  assert.deepEqual(
    gateways.map(({ key, value }) => [key, value]),
    [
      [`${GW}/state`, file("state.json").toString()],
      [`${GW}/birth/${birthId(file("birth.json"))}`, file("birth.json").toString()],
    ],
  );
  const [letter] = await line.arrived("deadletter", 1);
  assert.deepEqual([letter?.value, letter?.headers.reason], ["broken", "malformed"]);
  const partitions = new Set([...telemetry, ...gateways].map(({ partition }) => partition));
  assert.deepEqual([...partitions], [0xd8 % 4], "slot mod partitions, in every topic");

  const receipt = await retained(line, `${uplinkPrefix(GW)}/receipt`);
  // Numbers start far above 1 here, so that nothing is contiguous yet.
  assert.deepEqual(JSON.parse(receipt ?? ""), { epoch: EPOCH, upto: { c: 0, t: 0, b: 0 } });
});

test("receipts cover what Kafka has, a duplicate brings one again; a restart forgets nothing", { skip }, async () => {
  await using line = await startLine({ cluster, name: "receipts" });
  await line.bridge.start();
  await line.ready();
  const topic = `${uplinkPrefix("gw-1")}/receipt`;
  const heard: string[] = [];
  line.publisher.on("message", (name, payload) => {
    if (name === topic) heard.push(payload.toString());
  });
  await line.publisher.subscribeAsync(topic, { qos: 1 });
  const upto = (t: number): string => JSON.stringify({ epoch: EPOCH, upto: { c: 0, t, b: 0 } });
  for (let seq = 1; seq <= 500; seq++) await line.publish("gw-1", "data/meter-1", recordBytes({ seq }));
  await until("a receipt for all", () => heard.at(-1) === upto(500), 20_000);
  const before = heard.length;
  await line.publish("gw-1", "data/meter-1", recordBytes({ seq: 77 }));
  await until("the same receipt again", () => heard.length > before, 20_000);
  assert.equal(heard.at(-1), upto(500));

  assert.equal(await line.bridge.end("SIGTERM"), 0, line.bridge.stderr.slice(-2000));
  // While it is away its session collects.
  for (let seq = 490; seq <= 510; seq++) await line.publish("gw-1", "data/meter-1", recordBytes({ seq }));
  await line.bridge.start();
  await until("a receipt for what came meanwhile", () => heard.at(-1) === upto(510), 30_000);
  const telemetry = await line.read("telemetry");
  assert.deepEqual(
    telemetry.map(({ headers }) => Number(headers.seq)),
    Array.from({ length: 510 }, (_, i) => i + 1),
  );
  const { code, json } = await auditJson(cluster.brokers, "receipts");
  assert.deepEqual([code, json.complete, json.totals.records], [0, true, 510]);
});

test("topics are made as they must be", { skip }, async () => {
  await using line = await startLine({ cluster, name: "settings" });
  await line.bridge.start();
  await line.ready();
  await using writer = await openWriter(cluster.brokers);
  const names = ["telemetry", "events", "gaps", "sessions", "gateways", "progress", "deadletter"];
  const { topics } = await writer.admin.fetchTopicMetadata({ topics: names.map((topic) => `settings.${topic}`) });
  assert.deepEqual(
    topics.map(({ partitions }) => partitions.length),
    names.map(() => 4),
  );
  const { resources } = await writer.admin.describeConfigs({
    includeSynonyms: false,
    resources: names.map((topic) => ({ type: 2, name: `settings.${topic}` })),
  });
  for (const { resourceName, configEntries } of resources) {
    const value = (name: string) => configEntries.find(({ configName }) => configName === name)?.configValue;
    assert.equal(value("message.timestamp.type"), "LogAppendTime", resourceName);
    const compacted = /sessions|gateways|progress/.test(resourceName);
    assert.equal(value("cleanup.policy"), compacted ? "compact" : "delete", resourceName);
  }
});

test("topics that are otherwise are refused, with the remedy, and exit code 78", { skip }, async () => {
  await using writer = await openWriter(cluster.brokers);
  await writer.admin.createTopics({ topics: [{ topic: "wrong.telemetry", numPartitions: 3 }] });
  await writer.admin.createTopics({ topics: [{ topic: "create.telemetry", numPartitions: 4 }] });
  for (const [name, message] of [
    ["wrong", "kafka topic wrong.telemetry has 3 partitions, kafka.partitions says 4; set kafka.partitions to"],
    ["create", "message.timestamp.type=CreateTime; change it: kafka-configs --alter --topic create.telemetry"],
  ] as const) {
    await using line = await startLine({ cluster, name });
    await line.bridge.start();
    assert.equal(await line.bridge.ended(), 78);
    assert.ok(line.bridge.stderr.includes(message), line.bridge.stderr);
  }
});

test("a record that is packed with an unknown birth waits for it, others do not wait", { skip }, async () => {
  await using line = await startLine({ cluster, name: "births", bridge: { birth_wait: "3 s" } });
  await line.bridge.start();
  await line.ready();
  const packed = Buffer.from(contract("record-data.bz1.b64").toString(), "base64");
  await line.publish(GW, "data/meter-1", packed);
  const other = arrival({ gw: GW, seq: 1 });
  await line.publisher.publishAsync(other.topic, other.payload, { qos: 1 });
  await line.arrived("telemetry", 1);
  await line.publish(GW, "birth", contract("birth.json"), true);
  const [, late] = await line.arrived("telemetry", 2);
  assert.equal(late?.value, contract("record-data.json").toString());
  // Of another gateway no birth ever comes.
  await line.publish("gw-1", "data/meter-1", packed);
  const [letter] = await line.arrived("deadletter", 1);
  assert.equal(letter?.headers.reason, "birth");
});
