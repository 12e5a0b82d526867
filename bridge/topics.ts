/**
 * The Kafka side in names: topics and their settings, which partition a gateway belongs to, keys, headers, event time.
 * Every topic has the same number of partitions P, and everything of a gateway is in partition (slot mod P) of each.
 */
import { type BusbarRecord, type RecordKind, STREAMS, type Stream } from "../core/record.ts";
import { slotOf } from "../core/topics.ts";

export const TOPICS = ["telemetry", "events", "gaps", "sessions", "gateways", "progress", "deadletter"] as const;
export type Topic = (typeof TOPICS)[number];

export const SLOTS = 256;
/** Version of keys, headers and values; a reader refuses what it does not know. */
export const FORMAT_VERSION = "1";
export const JSON_TYPE = "application/json";

export function topicName(prefix: string, topic: Topic): string {
  return `${prefix}.${topic}`;
}

/** 0 ≤ partition < partitions, the same for every topic. */
export function partitionOf(gateway: string, partitions: number): number {
  return Number.parseInt(slotOf(gateway), 16) % partitions;
}

/** The slots of a partition as they stand in MQTT topics: two hex digits each. */
export function slotsOf(partition: number, partitions: number): string[] {
  const slots: string[] = [];
  for (let slot = partition; slot < SLOTS; slot += partitions) slots.push(slot.toString(16).padStart(2, "0"));
  return slots;
}

/** Subscriptions of a partition: everything of its slots. */
export function filtersOf(partition: number, partitions: number): string[] {
  if (partitions === 1) return ["busbar/v1/+/+/#"];
  return slotsOf(partition, partitions).map((slot) => `busbar/v1/${slot}/+/#`);
}

/** Where a record goes. */
export function topicOf(kind: RecordKind): Topic {
  if (kind === "data") return "telemetry";
  return kind === "gap" ? "gaps" : "events";
}

/** `<gateway>/<asset>`, or `<gateway>` without asset. */
export function recordKey({ gw, asset }: Pick<BusbarRecord, "gw" | "asset">): string {
  return asset === undefined ? gw : `${gw}/${asset}`;
}

export function stateKey(gateway: string): string {
  return `${gateway}/state`;
}

export function birthKey(gateway: string, id: string): string {
  return `${gateway}/birth/${id}`;
}

/** What a key of `busbar.gateways` stands for: a birth with its id, or the state. Undefined for any other key. */
export function placeOfKey(key: string): { readonly gateway: string; readonly birth: string | undefined } | undefined {
  const [gateway = "", what, birth, ...more] = key.split("/");
  if (more.length > 0 || (what === "birth") !== (birth !== undefined)) return undefined;
  return what === "birth" || what === "state" ? { gateway, birth } : undefined;
}

/** What identifies a record, as Kafka headers tell it. */
export interface RecordIdentity {
  readonly gateway: string;
  readonly epoch: string;
  readonly stream: Stream;
  readonly seq: number;
}

export type RecordHeaders = Readonly<Record<(typeof HEADERS)[number], string>>;
export const HEADERS = ["gateway", "epoch", "stream", "seq", "event_time", "content_type", "version"] as const;

/** `event_time` is the record's `t0` in milliseconds since 1970: Kafka's own time is when the log got it. */
export function recordHeaders(record: Pick<BusbarRecord, "gw" | "epoch" | "c" | "seq" | "t0">): RecordHeaders {
  return {
    gateway: record.gw,
    epoch: record.epoch,
    stream: record.c,
    seq: String(record.seq),
    event_time: String(record.t0),
    content_type: JSON_TYPE,
    version: FORMAT_VERSION,
  };
}

/** Where a record is written as one Kafka record for each sample: which of how many this is, from 1. */
export function sampleHeader(at: number, of: number): { readonly sample: string } {
  return { sample: `${at}/${of}` };
}

/** The identity in a Kafka record's headers, or undefined where they are not a record's of ours. */
export function identityOf(headers: Readonly<Record<string, unknown>> | undefined): RecordIdentity | undefined {
  const text = (name: string): string => String(headers?.[name] ?? "");
  const stream = STREAMS.find((name) => name === text("stream"));
  const seq = Number(text("seq"));
  if (text("version") !== FORMAT_VERSION || stream === undefined) return undefined;
  if (!Number.isSafeInteger(seq) || seq < 1 || text("gateway") === "") return undefined;
  return { gateway: text("gateway"), epoch: text("epoch"), stream, seq };
}

/** Settings of a topic as it is created; `must` are those that an existing topic needs, too. */
export interface TopicSettings {
  readonly must: Readonly<Record<string, string>>;
  readonly may: Readonly<Record<string, string>>;
}

/** With CreateTime one old record lets a producer's fence expire at once (see docs/decisions), so the log's time rules. */
const TIME = { "message.timestamp.type": "LogAppendTime" };
/** Small segments: only closed ones are compacted, and every open of a partition reads it from its start. */
const COMPACTED: TopicSettings = {
  must: { ...TIME, "cleanup.policy": "compact" },
  may: { "segment.bytes": String(16 * 1024 ** 2), "segment.ms": "3600000", "min.cleanable.dirty.ratio": "0.1" },
};

export function topicSettings(topic: Topic, options: { retentionMs: number; maxMessageBytes: number }): TopicSettings {
  const size = { "max.message.bytes": String(options.maxMessageBytes) };
  if (topic === "sessions" || topic === "gateways" || topic === "progress") {
    return { must: COMPACTED.must, may: { ...COMPACTED.may, ...size } };
  }
  const may = { "retention.ms": String(options.retentionMs), ...size };
  return { must: { ...TIME, "cleanup.policy": "delete" }, may };
}
