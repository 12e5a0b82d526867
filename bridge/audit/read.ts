/**
 * The audited topics, read as a committed reader sees them, from their starts to their ends as they were when it began.
 * kafkajs has no reader without a consumer group: it gets one of its own, which is deleted afterwards, and stores nothing
 * in it.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { backoff } from "../../core/backoff.ts";
import { messageOf } from "../../core/errors.ts";
import { type Admin, type EachBatchPayload, type Kafka, leave } from "../kafka/client.ts";
import { isLeaderless } from "../kafka/faults.ts";
import { topicName } from "../topics.ts";
import type { Read } from "./found.ts";
import { type PartitionState, type Retention, retentionMs } from "./horizon.ts";
import { AUDITED, type AuditedTopic } from "./tally.ts";

export interface ReadOptions {
  readonly prefix: string;
  /** Head of the consumer group's name. */
  readonly group: string;
  take(record: Read & { readonly offset: number }): void;
  /** How far it is, now and then. */
  progress(read: number, all: number): void;
}

export interface Reading {
  readonly states: readonly PartitionState[];
  readonly retention: Retention;
}

/** Without anything new for so long, it gives up. */
const STALLED_MS = 60_000;
const TICK_MS = 100;
const SESSION_MS = 30_000;
/** Kafka finds a new leader within seconds. */
const LEADERLESS_MS = 30_000;
const RETRY = { firstMs: 250, maxMs: 5000 };
/** Kafka's protocol: a topic among the things that have settings. */
const TOPIC_RESOURCE = 2;

/** Reads everything once. Throws when Kafka does not answer, or stops to. */
export async function readAll(kafka: Kafka, options: ReadOptions): Promise<Reading> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    const states = await partitionStates(admin, options.prefix);
    if (states.some((state) => state.next < state.end)) await consume(kafka, admin, states, options);
    return { states, retention: await retentionOf(admin, options.prefix) };
  } finally {
    await admin.disconnect();
  }
}

async function partitionStates(admin: Admin, prefix: string): Promise<PartitionState[]> {
  const there = await admin.listTopics();
  const lacking = AUDITED.map((topic) => topicName(prefix, topic)).filter((name) => !there.includes(name));
  if (lacking.length > 0) {
    throw new Error(`there is no topic ${lacking.join(", ")}; check kafka.topic_prefix, and that a bridge has run`);
  }
  const states = AUDITED.map(async (topic) => {
    const partitions = await offsetsOf(admin, topicName(prefix, topic));
    return partitions.map(({ partition, low, high }): PartitionState => {
      return { topic, partition, low: Number(low), end: Number(high), next: Number(low), firstAt: undefined };
    });
  });
  return (await Promise.all(states)).flat();
}

/** While a leader moves kafkajs stumbles over the partition that has none, with a TypeError. */
async function offsetsOf(admin: Admin, topic: string): ReturnType<Admin["fetchTopicOffsets"]> {
  const untilMs = performance.now() + LEADERLESS_MS;
  const delays = backoff(RETRY);
  for (;;) {
    try {
      return await admin.fetchTopicOffsets(topic);
    } catch (error) {
      const moves = error instanceof TypeError || isLeaderless(error);
      if (!moves || performance.now() > untilMs) throw error;
    }
    await delay(delays.next().value);
  }
}

/** A login that may not see settings is told nothing: then a record's time may have ended at any time. */
async function retentionOf(admin: Admin, prefix: string): Promise<Retention> {
  const retention = new Map<AuditedTopic, number | undefined>();
  for (const topic of AUDITED) {
    const resource = { type: TOPIC_RESOURCE, name: topicName(prefix, topic) };
    const told = await admin.describeConfigs({ resources: [resource], includeSynonyms: false }).catch(() => undefined);
    const entries = told?.resources[0]?.configEntries ?? [];
    retention.set(topic, retentionMs(new Map(entries.map(({ configName, configValue }) => [configName, configValue]))));
  }
  return retention;
}

async function consume(kafka: Kafka, admin: Admin, states: PartitionState[], options: ReadOptions): Promise<void> {
  const reader = new Reader(states, options);
  for (const waitMs of backoff(RETRY)) {
    if (await consumeOnce(kafka, admin, reader, options)) return;
    await delay(waitMs);
  }
}

/** False when the consumer crashed, as it does for good on a cluster that is still making its first group's topic. */
async function consumeOnce(kafka: Kafka, admin: Admin, reader: Reader, options: ReadOptions): Promise<boolean> {
  reader.begin();
  const groupId = `${options.group}-audit-${randomUUID()}`;
  const retry = { restartOnFailure: () => Promise.resolve(false) };
  const consumer = kafka.consumer({ groupId, sessionTimeout: SESSION_MS, maxWaitTimeInMs: 100, retry });
  // Of batches in which nothing is committed only these events tell.
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
    reader.reached(payload.topic, payload.partition, Number(payload.lastOffset));
  });
  consumer.on(consumer.events.CRASH, ({ payload }) => reader.crashed(payload.error));
  try {
    await consumer.connect();
    for (const topic of AUDITED)
      await consumer.subscribe({ topic: topicName(options.prefix, topic), fromBeginning: true });
    await consumer.run({ autoCommit: false, eachBatch: async (payload) => reader.batch(payload) });
    return await reader.end();
  } finally {
    await leave(consumer);
    // Nothing depends on it: Kafka forgets empty groups.
    await admin.deleteGroups([groupId]).catch(() => undefined);
  }
}

class Reader {
  readonly #options: ReadOptions;
  readonly #states: ReadonlyMap<string, PartitionState>;
  readonly #all: number;
  #crash: Error | undefined;
  #crashed = false;
  #left = -1;
  #movedMs = performance.now();

  constructor(states: readonly PartitionState[], options: ReadOptions) {
    this.#options = options;
    this.#states = new Map(states.map((s) => [`${topicName(options.prefix, s.topic)} ${s.partition}`, s]));
    this.#all = states.reduce((sum, { low, end }) => sum + end - low, 0);
  }

  batch({ batch, pause }: EachBatchPayload): void {
    const state = this.#states.get(`${batch.topic} ${batch.partition}`);
    if (state === undefined) return;
    const { topic, partition, end } = state;
    for (const { offset: text, value, headers = {}, timestamp } of batch.messages) {
      const offset = Number(text);
      // A group that had to join again reads from the start.
      if (offset < state.next || offset >= end) continue;
      const at = Number(timestamp);
      state.firstAt ??= at;
      this.#options.take({ topic, partition, offset, value, headers, at });
      state.next = offset + 1;
    }
    // What came after the start is none of our business.
    if (Number(batch.lastOffset()) + 1 >= end) pause();
  }

  reached(topic: string, partition: number, lastOffset: number): void {
    const state = this.#states.get(`${topic} ${partition}`);
    if (state !== undefined) state.next = Math.max(state.next, Math.min(lastOffset + 1, state.end));
  }

  /** A consumer is made, which may crash before `end` is called. */
  begin(): void {
    this.#crashed = false;
  }

  crashed(error: Error): void {
    this.#crash = error;
    this.#crashed = true;
  }

  /** True when every partition is read to its end, false when the consumer crashed. Throws when nothing comes. */
  async end(): Promise<boolean> {
    for (;;) {
      const left = [...this.#states.values()].reduce((sum, { next, end }) => sum + Math.max(0, end - next), 0);
      this.#options.progress(this.#all - left, this.#all);
      if (left === 0) return true;
      if (left !== this.#left) this.#movedMs = performance.now();
      this.#left = left;
      if (performance.now() - this.#movedMs > STALLED_MS) {
        const why = this.#crash === undefined ? "" : ` (${messageOf(this.#crash)})`;
        throw new Error(`nothing new for ${STALLED_MS / 1000} s, ${left} offsets before the end${why}`);
      }
      if (this.#crashed) return false;
      await delay(TICK_MS);
    }
  }
}
