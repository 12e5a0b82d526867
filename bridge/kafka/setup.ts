/** The topics: created where they are missing, checked where they are there. */
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { backoff } from "../../core/backoff.ts";
import { BusbarError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { KafkaConfig } from "../config.ts";
import { TOPICS, type Topic, topicName, topicSettings } from "../topics.ts";
import { type Admin, type Kafka, leave } from "./client.ts";
import { isLeaderless, kafkaError } from "./faults.ts";

/** kafkajs's enum stands in a file that only types may be taken from. */
const TOPIC_RESOURCE = 2;
const BROKER_RESOURCE = 4;
/** Over a record's largest plain form, with key and headers. */
const RECORD_ROOM_BYTES = (1 << 20) + 65_536;

/**
 * Throws BusbarError TOPIC_INVALID for a topic that is not as it must be (an operator has to change it), BRIDGE_KAFKA for
 * what may pass.
 */
export async function provideTopics(kafka: Kafka, config: KafkaConfig, log: Logger): Promise<void> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    const wanted = TOPICS.map((topic) => ({ topic, name: topicName(config.topic_prefix, topic) }));
    const there = new Set(await admin.listTopics());
    const missing = wanted.filter(({ name }) => !there.has(name));
    if (missing.length > 0) await create(admin, missing, config, log);
    await check(admin, wanted, config);
    await opened(admin, wanted);
  } catch (error) {
    throw kafkaError("kafka topics", error);
  } finally {
    await leave(admin);
  }
}

/** Of the topics' files, by brokers that have much else to do. */
const OPENED_WITHIN_MS = 10_000;
const RETRY = { firstMs: 100, maxMs: 1000 };

interface Wanted {
  readonly topic: Topic;
  readonly name: string;
}

async function create(admin: Admin, missing: readonly Wanted[], config: KafkaConfig, log: Logger): Promise<void> {
  const replicas = await replicationDefault(admin);
  const topics = missing.map(({ topic, name }) => {
    const { must, may } = topicSettings(topic, {
      retentionMs: config.retention,
      maxMessageBytes: roomOf(topic, config),
    });
    // Two copies before an acknowledgement counts, where there are three: one broker may die without losing anything.
    const safe = replicas >= 3 ? { "min.insync.replicas": "2" } : {};
    const entries = Object.entries({ ...must, ...may, ...safe });
    return {
      topic: name,
      numPartitions: config.partitions,
      replicationFactor: -1,
      configEntries: entries.map(([key, value]) => ({ name: key, value })),
    };
  });
  log.info("creating topics", { topics: missing.map(({ name }) => name), partitions: config.partitions });
  // False, without an error, when another instance was quicker.
  await admin.createTopics({ topics, waitForLeaders: true });
}

/** The cluster's default, or 1 where it does not tell us. */
async function replicationDefault(admin: Admin): Promise<number> {
  try {
    const { brokers } = await admin.describeCluster();
    const name = String(brokers[0]?.nodeId ?? 1);
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: BROKER_RESOURCE, name, configNames: ["default.replication.factor"] }],
    });
    return Number(resources[0]?.configEntries[0]?.configValue ?? 1);
  } catch {
    return 1;
  }
}

async function check(admin: Admin, wanted: readonly Wanted[], config: KafkaConfig): Promise<void> {
  const { topics } = await admin.fetchTopicMetadata({ topics: wanted.map(({ name }) => name) });
  for (const { name, partitions } of topics) {
    if (partitions.length === config.partitions) continue;
    const what = `kafka topic ${name} has ${partitions.length} partitions, kafka.partitions says ${config.partitions}`;
    const remedy = "set kafka.partitions to what the topics have; it cannot change while they hold anything";
    throw new BusbarError("TOPIC_INVALID", what, { remedy });
  }
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: wanted.map(({ name }) => ({ type: TOPIC_RESOURCE, name })),
  });
  for (const { resourceName, configEntries } of resources) {
    const topic = wanted.find(({ name }) => name === resourceName)?.topic;
    if (topic === undefined) continue;
    const found = new Map(configEntries.map(({ configName, configValue }) => [configName, configValue]));
    checkSettings(resourceName, found, { must: mustOf(topic), room: roomOf(topic, config) });
  }
}

/**
 * Every partition's leader answers. A topic is told before its leaders have opened its files; a transaction that ends on
 * one so young stays open for 30 s (Kafka tries its marker again no sooner), and all others of that broker with it. For
 * a leader that is away the others do not wait long.
 */
async function opened(admin: Admin, wanted: readonly Wanted[]): Promise<void> {
  const late = AbortSignal.timeout(OPENED_WITHIN_MS);
  const all = wanted.map(({ name }) => answered(admin, name, late));
  await Promise.race([Promise.all(all), once(late, "abort")]);
}

/** Never rejects: what is wrong but youth, the partitions tell when they are opened. */
async function answered(admin: Admin, name: string, late: AbortSignal): Promise<void> {
  for (const waitMs of backoff(RETRY)) {
    try {
      await admin.fetchTopicOffsets(name);
      return;
    } catch (error) {
      if (!isLeaderless(error) || late.aborted) return;
    }
    await delay(waitMs);
  }
}

function checkSettings(
  name: string,
  found: ReadonlyMap<string, string>,
  { must, room }: { readonly must: Readonly<Record<string, string>>; readonly room: number },
): void {
  const wrong = Object.entries(must).filter(([key, value]) => found.get(key) !== value);
  const size = Number(found.get("max.message.bytes"));
  const small = size < room ? [["max.message.bytes", String(room)] as const] : [];
  const [first, ...more] = [...wrong, ...small];
  if (first === undefined) return;
  const remedy = [first, ...more].map(([key, value]) => `${key}=${value}`).join(",");
  throw new BusbarError("TOPIC_INVALID", `kafka topic ${name} has ${first[0]}=${found.get(first[0])}`, {
    remedy: `change it: kafka-configs --alter --topic ${name} --add-config ${remedy}`,
  });
}

function mustOf(topic: Topic): Readonly<Record<string, string>> {
  return topicSettings(topic, { retentionMs: 0, maxMessageBytes: 0 }).must;
}

/** Room for a whole transaction's messages of one topic, which kafkajs sends as one record batch. */
function roomOf(topic: Topic, { batch }: KafkaConfig): number {
  return topic === "deadletter" ? DEAD_LETTER_BYTES : Math.max(batch.bytes, RECORD_ROOM_BYTES) + RECORD_ROOM_BYTES;
}

/** A message that is no record may be as large as what the MQTT connection takes (MAX_PACKET_BYTES). */
const DEAD_LETTER_BYTES = 9 * 1024 ** 2;
