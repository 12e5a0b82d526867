/**
 * Which partitions this instance works on: Kafka's own group membership on the two compacted topics, whose partitions go
 * together. The same consumer reads a partition of them to its end when it is opened, and is paused otherwise.
 *
 * Membership decides who works; that two never write the same partition is the fence's doing (sink.ts). A member that
 * was stopped, or cut off, still believes that it owns its partitions: so one whose clock jumped or whose heartbeats are
 * not answered gives all of them up by itself, and a CRASH of kafkajs's consumer counts as loss of everything.
 */
import { setTimeout as delay } from "node:timers/promises";
import { backoff } from "../../core/backoff.ts";
import { BusbarError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { topicName } from "../topics.ts";
import { type Consumer, type EachBatchPayload, type Kafka, type KafkaMessage, leave } from "./client.ts";
import { kafkaError } from "./faults.ts";
import { OPENED_BY, OPENED_KEY, READ_AT_OPEN } from "./sink.ts";
import { stickyAssigner } from "./sticky-assigner.ts";

export interface MembershipOptions {
  readonly kafka: Kafka;
  readonly group: string;
  readonly prefix: string;
  readonly partitions: number;
  readonly sessionTimeoutMs: number;
  readonly log: Logger;
  /** All partitions that are ours now. */
  readonly onOwned: (owned: ReadonlySet<number>) => void;
}

export type ReadRecord = (topic: (typeof READ_AT_OPEN)[number], message: KafkaMessage) => void;

interface Reading {
  readonly mark: string;
  readonly take: ReadRecord;
  readonly ended: Set<string>;
  readonly done: PromiseWithResolvers<void>;
  lastMs: number;
}

const WATCH_MS = 250;
const MAX_WAIT_MS = 250;
const READ_SILENCE_MS = 10_000;
/** A consumer that was made within that knows who leads: a new one would be no better. */
const FRESH_MS = 25_000;
const RETRY = { firstMs: 250, maxMs: 5000 };
const UNANSWERED = "check kafka.brokers and that the brokers run";

export class Membership {
  readonly #o: MembershipOptions;
  readonly #topics: readonly string[];
  readonly #readings = new Map<number, Reading>();
  #consumer: Consumer | undefined;
  #held: ReadonlySet<number> = new Set();
  /** When Kafka last confirmed our membership: on the monotonic clock, and by wall time for the other members. */
  #confirmedMs = 0;
  #confirmedAt = 0;
  #tickMs = 0;
  /** When this life of the consumer began. */
  #bornMs = 0;
  #owned: ReadonlySet<number> = new Set();
  #fallOut: (error: BusbarError) => void = () => {};
  /** Why this instance works on nothing; undefined while it is in the group. */
  problem: string | undefined = "has not joined yet";

  constructor(options: MembershipOptions) {
    this.#o = options;
    this.#topics = READ_AT_OPEN.map((topic) => topicName(options.prefix, topic));
  }

  /** Joins the group, and again whenever it fell out, until aborted; then leaves it. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const watch = setInterval(() => this.#watch(), WATCH_MS);
    let delays = backoff(RETRY);
    while (!signal.aborted) {
      const startedMs = performance.now();
      const error = await this.#live(signal);
      this.problem = error.message;
      if (signal.aborted) break;
      this.#o.log.warn("out of the Kafka group", { error });
      if (performance.now() - startedMs > 60_000) delays = backoff(RETRY);
      await delay(delays.next().value, undefined, { signal }).catch(() => {});
    }
    clearInterval(watch);
  }

  /** Hands on what the partition holds, up to the mark. Throws BusbarError BRIDGE_KAFKA when it cannot be read. */
  async read(partition: number, mark: string, take: ReadRecord): Promise<void> {
    const consumer = this.#consumer;
    if (consumer === undefined || this.#readings.has(partition)) {
      throw new BusbarError("BRIDGE_KAFKA", `kafka partition ${partition}: cannot be read, not in the group`);
    }
    const done = Promise.withResolvers<void>();
    this.#readings.set(partition, { mark, take, ended: new Set(), done, lastMs: performance.now() });
    try {
      for (const topic of this.#topics) consumer.seek({ topic, partition, offset: "0" });
      consumer.resume(this.#both([partition]));
      await done.promise;
    } catch (error) {
      throw kafkaError(`kafka partition ${partition}: cannot be read`, error);
    } finally {
      this.#readings.delete(partition);
      if (this.#consumer === consumer) consumer.pause(this.#both([partition]));
    }
  }

  /** One life of a consumer; what ended it. */
  async #live(signal: AbortSignal): Promise<BusbarError> {
    const end = Promise.withResolvers<BusbarError>();
    const { kafka, group, sessionTimeoutMs } = this.#o;
    const heartbeatInterval = Math.round(sessionTimeoutMs / 4);
    const consumer = kafka.consumer({
      groupId: group,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: sessionTimeoutMs,
      heartbeatInterval,
      maxWaitTimeInMs: MAX_WAIT_MS,
      allowAutoTopicCreation: false,
      partitionAssigners: [
        stickyAssigner(this.#o.partitions, () => ({ held: [...this.#owned], confirmedAt: this.#confirmedAt })),
      ],
      // Its own restart comes up to 14 s late.
      retry: { restartOnFailure: () => Promise.resolve(false) },
    });
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => this.#joined(consumer, payload.memberAssignment));
    consumer.on(consumer.events.HEARTBEAT, () => {
      if (this.#consumer === consumer) this.#confirm();
    });
    consumer.on(consumer.events.CRASH, ({ payload }) => end.resolve(kafkaError("kafka group", payload.error)));
    const stop = (): void => end.resolve(new BusbarError("BRIDGE_KAFKA", "kafka group: stopped"));
    signal.addEventListener("abort", stop, { once: true });
    this.#fallOut = end.resolve;
    this.#bornMs = performance.now();
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: [...this.#topics], fromBeginning: true });
      await consumer.run({ autoCommit: false, eachBatch: (payload) => this.#batch(payload) });
      return await end.promise;
    } catch (error) {
      return kafkaError("kafka group", error);
    } finally {
      signal.removeEventListener("abort", stop);
      this.#consumer = undefined;
      this.#held = new Set();
      this.#own(this.#held);
      for (const { done } of this.#readings.values()) done.reject(new Error("fell out of the group"));
      await leave(consumer);
    }
  }

  #joined(consumer: Consumer, assignment: Readonly<Record<string, number[]>>): void {
    if (this.#consumer !== consumer) {
      this.#consumer = consumer;
      const all = Array.from({ length: this.#o.partitions }, (_, partition) => partition);
      consumer.pause(this.#both(all));
    }
    const mine = assignment[this.#topics[0] as string] ?? [];
    this.#held = new Set(mine.toSorted((a, b) => a - b));
    this.#confirm();
  }

  #confirm(): void {
    this.problem = undefined;
    this.#confirmedMs = performance.now();
    this.#confirmedAt = Date.now();
    this.#own(this.#held);
  }

  #own(owned: ReadonlySet<number>): void {
    if (owned.size === this.#owned.size && [...owned].every((partition) => this.#owned.has(partition))) return;
    this.#owned = owned;
    this.#o.onOwned(owned);
  }

  /** The timer itself tells when this process stood still: others may own by now what it believes to own. */
  #watch(): void {
    const nowMs = performance.now();
    const stoodMs = nowMs - this.#tickMs;
    const first = this.#tickMs === 0;
    this.#tickMs = nowMs;
    if (!first && stoodMs > this.#o.sessionTimeoutMs / 2) {
      this.#own(new Set());
      const what = `kafka group: this process stood still for ${(stoodMs / 1000).toFixed(1)} s`;
      this.#fallOut(new BusbarError("BRIDGE_KAFKA", what, { remedy: "give it more CPU if it happens again" }));
    } else if (this.#owned.size > 0 && nowMs - this.#confirmedMs > this.#o.sessionTimeoutMs) {
      this.problem = `Kafka does not answer heartbeats; ${UNANSWERED}`;
      this.#own(new Set());
    } else if (this.#consumer !== undefined && nowMs - this.#confirmedMs > 2 * this.#o.sessionTimeoutMs) {
      // kafkajs goes by the wall clock: where that stepped back, this consumer asks no more for as long.
      this.#fallOut(new BusbarError("BRIDGE_KAFKA", "kafka group: no heartbeat is answered", { remedy: UNANSWERED }));
    }
    for (const { lastMs, done } of this.#readings.values()) {
      if (nowMs - lastMs <= READ_SILENCE_MS) continue;
      const error = new Error(`nothing came in ${READ_SILENCE_MS / 1000} s`);
      done.reject(error);
      // It goes on asking a leader that hangs, also when that leads no more.
      if (nowMs - this.#bornMs > FRESH_MS) this.#fallOut(kafkaError("kafka group", error));
    }
  }

  #batch({ batch: { topic, partition, messages } }: EachBatchPayload): Promise<void> {
    const reading = this.#readings.get(partition);
    const name = READ_AT_OPEN[this.#topics.indexOf(topic)];
    if (reading === undefined || name === undefined) return Promise.resolve();
    reading.lastMs = performance.now();
    try {
      for (const message of messages) {
        if (message.key?.toString() !== OPENED_KEY) reading.take(name, message);
        else if (message.headers?.[OPENED_BY]?.toString() === reading.mark) reading.ended.add(topic);
      }
      if (reading.ended.size === this.#topics.length) reading.done.resolve();
    } catch (error) {
      reading.done.reject(error);
    }
    return Promise.resolve();
  }

  #both(partitions: number[]): { topic: string; partitions: number[] }[] {
    return this.#topics.map((topic) => ({ topic, partitions }));
  }
}
