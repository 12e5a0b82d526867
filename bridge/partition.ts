/**
 * One partition while it is ours. Its MQTT session is read into the inbox; batches go into Kafka in one transaction each,
 * data and progress together; then they are acknowledged, and receipts become due.
 *
 * Whenever a transaction's outcome is not known (an error, a fence, a time-out) the partition is opened again: fence,
 * read what Kafka holds, and go on with the messages that were under way, of which those that made it are dropped by
 * their identity. Until that works nothing is acknowledged, and the MQTT server keeps what comes.
 */
import { setTimeout as delay } from "node:timers/promises";
import { backoff } from "../core/backoff.ts";
import type { BusbarError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { Arena, type Keep } from "./arena.ts";
import type { BridgeConfig } from "./config.ts";
import { Feed } from "./feed.ts";
import type { Holdings } from "./holdings.ts";
import { Inbox, type Item } from "./inbox.ts";
import type { Kafka } from "./kafka/client.ts";
import type { Membership } from "./kafka/membership.ts";
import { type Checkpoint, Sink } from "./kafka/sink.ts";
import type { Metrics, PartitionMetrics } from "./metrics.ts";
import { type Plan, planBatch } from "./plan.ts";
import { readHolding } from "./read-holding.ts";
import { Receipts } from "./receipts.ts";
import { filtersOf, slotsOf } from "./topics.ts";
import { Voice } from "./voice.ts";

export interface PartitionOptions {
  readonly partition: number;
  readonly config: BridgeConfig;
  readonly kafka: Kafka;
  readonly membership: Pick<Membership, "read">;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly checkpoint: Checkpoint;
  /** The partition failed: somebody may look whether its topics are there. */
  readonly onFailure: (error: BusbarError) => Promise<void>;
}

/** Where a batch goes, and what it is measured by. */
interface Place {
  readonly sink: Sink;
  readonly holdings: Holdings;
  readonly keep: Keep;
}

const RETRY = { firstMs: 200, maxMs: 10_000 };
/** Who was fenced waits for the group to say whose the partition is. */
const FENCED_WAIT_MS = 3000;
const EXPIRE_MS = 1000;

export class Partition {
  readonly #o: PartitionOptions;
  readonly #inbox: Inbox;
  readonly #feed: Feed;
  readonly #metrics: PartitionMetrics;
  readonly #log: Logger;
  #open = false;
  /** The arrival of the oldest message in the transaction under way. */
  #writingSinceMs: number | undefined;
  #writing = 0;
  /** Why nothing is written; undefined when it is. */
  problem: string | undefined = "not opened yet";

  constructor(options: PartitionOptions) {
    this.#o = options;
    const { partition, config, log } = options;
    this.#log = log.for(`partition ${partition}`);
    this.#inbox = new Inbox({ monoMs: () => performance.now(), birthWaitMs: config.bridge.birth_wait });
    this.#metrics = options.metrics.partition(partition, () => this.#gauges());
    this.#feed = new Feed({
      config: config.mqtt,
      clientId: `${config.bridge.group}-${partition}`,
      filters: filtersOf(partition, config.kafka.partitions),
      inbox: this.#inbox,
      metrics: this.#metrics,
      log: this.#log,
    });
  }

  /** Why its MQTT session is not connected; undefined when it is. */
  get mqttProblem(): string | undefined {
    return this.#feed.problem;
  }

  /** Why gateways do not hear what is in Kafka; undefined when they do. */
  get refusal(): string | undefined {
    return this.#feed.refusal;
  }

  /** Seconds. */
  get oldestAge(): number {
    return this.#gauges().oldestAge;
  }

  /** Until aborted; then what is under way is finished and acknowledged, and the session left to the next. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const feedStop = new AbortController();
    let feed: Promise<void> | undefined;
    let delays = backoff(RETRY);
    while (!signal.aborted) {
      try {
        await using sink = await Sink.open(this.#sinkOptions());
        const holdings = await readHolding(this.#o.membership, this.#o.partition, sink.mark);
        this.#opened();
        delays = backoff(RETRY);
        // Only now: the former owner is fenced, so that taking its session over loses nothing.
        feed ??= this.#feed.run(feedStop.signal);
        await this.#work(sink, holdings, signal);
      } catch (error) {
        if (signal.aborted) break;
        await this.#failed(error as BusbarError, delays.next().value, signal);
      }
    }
    this.#open = false;
    feedStop.abort();
    await feed;
    this.#metrics.gone();
  }

  async #work(sink: Sink, holdings: Holdings, signal: AbortSignal): Promise<void> {
    const { bridge, kafka } = this.#o.config;
    const receipts = new Receipts(holdings, bridge.receipt_interval);
    receipts.tellAll(performance.now());
    using _voice = new Voice({
      feed: this.#feed,
      receipts,
      metrics: this.#metrics,
      slots: slotsOf(this.#o.partition, kafka.partitions),
      bridgeId: bridge.id,
    });
    using _expiry = every(EXPIRE_MS, () => this.#inbox.expire());
    // After an error nobody knows who still reads in it: then it is let go with the sink.
    const arena = new Arena();
    const limits = { records: kafka.batch.records, bytes: kafka.batch.bytes, ageMs: kafka.batch.age };
    for (;;) {
      const items = await this.#inbox.batch(limits, signal);
      if (items.length === 0) return;
      this.#writing = items.length;
      this.#writingSinceMs = items[0]?.arrivedMs;
      this.#o.checkpoint("received");
      try {
        const plan = await this.#write(items, { sink, holdings, keep: arena.keep });
        arena.reuse();
        this.#settle(items, plan, receipts);
      } catch (error) {
        this.#inbox.putBack(items);
        throw error;
      } finally {
        this.#writing = 0;
        this.#writingSinceMs = undefined;
      }
      this.#o.checkpoint("acknowledged");
    }
  }

  async #write(items: readonly Item[], { sink, holdings, keep }: Place): Promise<Plan<Item>> {
    const plan = planBatch(items, holdings, { values: this.#o.config.kafka.values, keep });
    const startedMs = performance.now();
    if (plan.messages.size > 0) await sink.write(plan.messages);
    this.#o.checkpoint("committed");
    this.#metrics.committed(plan.counts, {
      messages: items.length,
      bytes: items.reduce((sum, { payload }) => sum + payload.length, 0),
      seconds: (performance.now() - startedMs) / 1000,
    });
    for (const [reason, count] of Object.entries(plan.counts.dead)) {
      this.#log.warn("messages went to the dead letters", { reason, count });
    }
    return plan;
  }

  #settle(items: readonly Item[], plan: Plan<Item>, receipts: Receipts): void {
    const later = new Set([...plan.waiting.map(({ arrival }) => arrival), ...plan.rest]);
    for (const item of items) if (!later.has(item)) item.ack();
    if (plan.rest.length > 0) this.#inbox.putBack(plan.rest);
    for (const { arrival, gateway } of plan.waiting) this.#inbox.park(arrival, gateway);
    for (const gateway of plan.births) this.#inbox.unpark(gateway);
    for (const touched of plan.advanced) receipts.advance(touched);
    for (const touched of plan.repeated) receipts.repeat(touched);
    this.#feed.relieve();
  }

  #opened(): void {
    this.#open = true;
    this.problem = undefined;
    this.#metrics.opened();
    this.#log.info("partition open");
  }

  async #failed(error: BusbarError, retryMs: number, signal: AbortSignal): Promise<void> {
    const fenced = error.code === "BRIDGE_FENCED";
    this.#open = false;
    this.#metrics.failed(fenced);
    if (this.problem !== error.message) this.#log.warn("partition cannot be written", { error });
    this.problem = error.message;
    await this.#o.onFailure(error);
    await delay(fenced ? FENCED_WAIT_MS : retryMs, undefined, { signal }).catch(() => {});
  }

  #sinkOptions() {
    const { kafka, config, partition, checkpoint } = this.#o;
    const { topic_prefix: prefix, compression } = config.kafka;
    return { kafka, prefix, partition, bridgeId: config.bridge.id, compression, checkpoint };
  }

  #gauges() {
    const nowMs = performance.now();
    const oldestMs = Math.min(this.#writingSinceMs ?? nowMs, this.#inbox.oldestMs ?? nowMs);
    return {
      waiting: this.#inbox.length + this.#writing,
      waitingBytes: this.#inbox.bytes,
      oldestAge: (nowMs - oldestMs) / 1000,
      open: this.#open,
      connected: this.#feed.problem === undefined,
    };
  }
}

function every(intervalMs: number, act: () => void): Disposable {
  const timer = setInterval(act, intervalMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
