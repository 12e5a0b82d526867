/**
 * One partition's way into Kafka: transactions under the partition's own transactional id. Opening it fences whoever had
 * the partition before, in Kafka itself. After any error the outcome of what was under way is not known: the sink is of
 * no more use, and the partition is opened again, which aborts what was left and reads what is true.
 */
import { randomUUID } from "node:crypto";
import { BusbarError } from "../../core/errors.ts";
import { type Topic, topicName } from "../topics.ts";
import { CompressionTypes, type Kafka, leave, Partitioners, type Producer, type Transaction } from "./client.ts";
import { kafkaError } from "./faults.ts";
import { Batch } from "./produce.ts";
import type { Outgoing } from "./records.ts";

export interface SinkOptions {
  readonly kafka: Kafka;
  readonly prefix: string;
  readonly partition: number;
  readonly bridgeId: string;
  readonly compression: "gzip" | "zstd";
  readonly checkpoint: Checkpoint;
}

/** Where a transaction stands; tests end the process there. */
export const POINTS = ["received", "sent", "committed", "acknowledged"] as const;
export type Point = (typeof POINTS)[number];
export type Checkpoint = (point: Point) => void;

/** Header of the records that an opening writes behind all that was there before. */
export const OPENED_BY = "opened_by";
/** Key of these records: no gateway may be called so. */
export const OPENED_KEY = "bridge";
export const READ_AT_OPEN = ["progress", "gateways"] as const satisfies readonly Topic[];

/** A transaction that nobody ends blocks readers for so long, unless the partition's next owner aborts it first. */
const TRANSACTION_TIMEOUT_MS = 30_000;
/** Of an opening, and of one write. kafkajs would ask a leader that hangs again for minutes, also when it is none any more. */
const LIMIT_MS = 20_000;
/** Of one topic's messages in one request, headers estimated; a single larger message goes alone. */
const PART_BYTES = 1024 ** 2;
const OVERHEAD_BYTES = 250;
const COMPRESSION = {
  gzip: CompressionTypes.GZIP,
  zstd: CompressionTypes.ZSTD,
} as const;

/** What a transaction writes; all of it in the sink's partition. */
export type Messages = ReadonlyMap<Topic, readonly Outgoing[]>;

export class Sink implements AsyncDisposable {
  readonly #o: SinkOptions;
  readonly #producer: Producer;
  /** Stands in the header OPENED_BY: who has read that far has read all that was there when the sink was opened. */
  readonly mark = randomUUID();
  /** What is still under way in it belongs to nobody: it may end, and must begin nothing more. */
  #abandoned = false;

  private constructor(options: SinkOptions, producer: Producer) {
    this.#o = options;
    this.#producer = producer;
  }

  /** Fences the former owner and writes the mark. Throws BusbarError BRIDGE_KAFKA or BRIDGE_FENCED. */
  static async open(options: SinkOptions): Promise<Sink> {
    const { kafka, prefix, partition } = options;
    const producer = kafka.producer({
      transactionalId: `${prefix}.bridge.${partition}`,
      // Of the producer's plain sends, which there are none of; it would ask for a second producer id.
      idempotent: false,
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
      transactionTimeout: TRANSACTION_TIMEOUT_MS,
    });
    const sink = new Sink(options, producer);
    try {
      await sink.#within(() => sink.#open());
      return sink;
    } catch (error) {
      await sink[Symbol.asyncDispose]();
      throw kafkaError(`kafka partition ${partition}: cannot be opened`, error);
    }
  }

  /**
   * Writes all of it or nothing. Throws BusbarError BRIDGE_KAFKA or BRIDGE_FENCED; then it is not known which, and this
   * sink must not be used again.
   */
  async write(messages: Messages): Promise<void> {
    try {
      await this.#within(() => this.#write(messages));
    } catch (error) {
      throw kafkaError(`kafka partition ${this.#o.partition}: write failed`, error);
    }
  }

  async #open(): Promise<void> {
    await this.#producer.connect();
    // InitProducerId, which is the fence, comes with the first transaction only.
    await (await this.#producer.transaction()).abort();
    await this.#write(this.#opening());
  }

  async #write(messages: Messages): Promise<void> {
    this.#assertOurs();
    const transaction = await this.#producer.transaction();
    for (const part of partsOf(messages)) {
      this.#assertOurs();
      await this.#send(transaction, part);
    }
    this.#o.checkpoint("sent");
    this.#assertOurs();
    await transaction.commit();
  }

  async #within(work: () => Promise<void>): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      this.#abandoned = true;
      late.reject(new Error(`no outcome in ${LIMIT_MS / 1000} s; check that all brokers run`));
    }, LIMIT_MS);
    const done = work();
    try {
      await Promise.race([done, late.promise]);
    } finally {
      clearTimeout(timer);
      // It may connect again after it was told to leave.
      if (this.#abandoned) void done.catch(() => {}).then(() => leave(this.#producer));
    }
  }

  #assertOurs(): void {
    if (this.#abandoned) throw new Error("given up");
  }

  async #send(transaction: Transaction, messages: Messages): Promise<void> {
    const { prefix, partition, compression } = this.#o;
    const topicMessages = [...messages].map(([topic, list]) => {
      return { topic: topicName(prefix, topic), messages: new Batch(list, partition) };
    });
    // Each topic for itself: where topics have several leaders, one request of kafkajs that is refused makes it send all
    // of those again that have no answer yet, under new sequence numbers, and Kafka takes both.
    const sent = topicMessages.map((one) =>
      transaction.send({ acks: -1, compression: COMPRESSION[compression], ...one }),
    );
    const outcomes = await Promise.allSettled(sent);
    for (const [at, outcome] of outcomes.entries()) {
      if (outcome.status === "rejected") throw outcome.reason;
      // Nor does it always tell of an answer that it lost.
      if (outcome.value.length === 1 && outcome.value[0]?.errorCode === 0) continue;
      const what = `kafka partition ${partition}: ${topicMessages[at]?.topic} was answered ${outcome.value.length} times`;
      throw new BusbarError("BRIDGE_KAFKA", what);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await leave(this.#producer);
  }

  /** A tombstone where keys are gateways': to a reader of the compacted topic it is nothing. */
  #opening(): Messages {
    const headers = { [OPENED_BY]: this.mark };
    const value = JSON.stringify({ bridge: this.#o.bridgeId });
    return new Map([
      ["progress", [{ key: OPENED_KEY, value, headers }]],
      ["gateways", [{ key: OPENED_KEY, value: null, headers }]],
    ]);
  }
}

/** kafkajs makes one record batch of a topic's messages, which must stay below max.message.bytes: as many parts as it takes. */
function* partsOf(messages: Messages): Generator<Messages> {
  const rest = new Map(messages);
  while (rest.size > 0) {
    const part = new Map<Topic, readonly Outgoing[]>();
    for (const [topic, list] of rest) {
      const end = lengthWithin(list);
      part.set(topic, list.slice(0, end));
      if (end === list.length) rest.delete(topic);
      else rest.set(topic, list.slice(end));
    }
    yield part;
  }
}

function lengthWithin(list: readonly Outgoing[]): number {
  let bytes = 0;
  for (const [at, { key, value }] of list.entries()) {
    // A dead letter's key is its MQTT topic, as long as 64 KiB, and stands in its headers again.
    bytes += (value?.length ?? 0) + 2 * key.length + OVERHEAD_BYTES;
    if (bytes > PART_BYTES && at > 0) return at;
  }
  return list.length;
}
