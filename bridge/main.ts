/**
 * The bridge, MQTT → Kafka, exactly once for readers of committed records:
 *
 *   membership (Kafka group) ─► partitions ─► partition: feed (MQTT session) ─► inbox ─► plan ─► sink (transaction)
 *                                                              ▲                                      │
 *                                                    PUBACK, receipts ◄──────────────────── committed ┘
 *
 * docs/BRIDGE.md tells why each step stands where it does.
 */
import { setTimeout as delay } from "node:timers/promises";
import { backoff } from "../core/backoff.ts";
import { BusbarError } from "../core/errors.ts";
import { Logger, type LogSink } from "../core/log.ts";
import { VERSION } from "../core/version.ts";
import type { BridgeConfig } from "./config.ts";
import { BridgeHttp, type Health } from "./http.ts";
import { createKafka, type Kafka } from "./kafka/client.ts";
import { isTopicGone } from "./kafka/faults.ts";
import { Membership } from "./kafka/membership.ts";
import { provideTopics } from "./kafka/setup.ts";
import type { Checkpoint } from "./kafka/sink.ts";
import { Metrics } from "./metrics.ts";
import { Partitions } from "./partitions.ts";

export interface BridgeRun {
  readonly log: LogSink;
  /** Ends it in order. */
  readonly signal: AbortSignal;
  /** Told how far each transaction is; for tests. */
  readonly checkpoint?: Checkpoint;
}

const RETRY = { firstMs: 500, maxMs: 10_000 };
/** A partition's last transaction; what it does not finish, the next owner does. */
const CLOSE_WAIT_MS = 10_000;
/** Older than that is no batch on its way. */
const LATE_S = 10;

/** Runs until aborted. Throws BusbarError of layer config for what only an operator can change. */
export async function runBridge(config: BridgeConfig, { log: sink, signal, checkpoint }: BridgeRun): Promise<void> {
  const log = new Logger("bridge", sink);
  const metrics = new Metrics();
  const kafka = await createKafka(config.kafka, { clientId: config.bridge.id, log: log.for("kafka") });
  const topics = new TopicKeeper(kafka, config, log);
  const state: { bridge?: Pick<Membership, "problem">; partitions?: Partitions } = {};
  using http = new BridgeHttp({
    listen: config.http.listen,
    metrics,
    health: () => healthOf(config, topics, state),
    log,
  });
  http.open();
  log.info("bridge starts", { version: VERSION, id: config.bridge.id, group: config.bridge.group });
  if (!(await topics.provide(signal))) return;
  const membership: Membership = new Membership({
    kafka,
    group: config.bridge.group,
    prefix: config.kafka.topic_prefix,
    partitions: config.kafka.partitions,
    sessionTimeoutMs: config.kafka.session_timeout,
    log,
    onOwned: (owned) => partitions.own(owned),
  });
  const partitions = new Partitions({
    config,
    kafka,
    membership,
    metrics,
    log,
    checkpoint: checkpoint ?? (() => {}),
    onFailure: (error) => (isTopicGone(error) ? topics.repair() : Promise.resolve()),
  });
  Object.assign(state, { bridge: membership, partitions });
  const leave = new AbortController();
  const member = membership.run(leave.signal);
  await aborted(signal);
  log.info("bridge stops");
  await Promise.race([partitions.close(), delay(CLOSE_WAIT_MS, undefined, { ref: false })]);
  leave.abort();
  await Promise.race([member, delay(CLOSE_WAIT_MS, undefined, { ref: false })]);
}

/** The topics exist and are as they must be, at start and when one was deleted under us. */
class TopicKeeper {
  readonly #kafka: Kafka;
  readonly #config: BridgeConfig;
  readonly #log: Logger;
  #repairing: Promise<void> | undefined;
  problem: string | undefined = "kafka has not answered yet";

  constructor(kafka: Kafka, config: BridgeConfig, log: Logger) {
    this.#kafka = kafka;
    this.#config = config;
    this.#log = log;
  }

  /** False when aborted first. Throws BusbarError TOPIC_INVALID. */
  async provide(signal: AbortSignal): Promise<boolean> {
    const stopped = aborted(signal);
    for (const retryMs of backoff(RETRY)) {
      if (signal.aborted) return false;
      try {
        // A Kafka that hangs holds it for minutes.
        await Promise.race([provideTopics(this.#kafka, this.#config.kafka, this.#log), stopped]);
        if (signal.aborted) return false;
        this.problem = undefined;
        return true;
      } catch (error) {
        if (error instanceof BusbarError && error.layer === "config") throw error;
        const { message } = error as Error;
        if (this.problem !== message) this.#log.warn("kafka topics cannot be checked", { error });
        this.problem = message;
      }
      await delay(retryMs, undefined, { signal }).catch(() => {});
    }
    return false;
  }

  /** Creates what is missing, one attempt at a time for all partitions. */
  repair(): Promise<void> {
    this.#repairing ??= provideTopics(this.#kafka, this.#config.kafka, this.#log)
      .catch((error: unknown) => this.#log.warn("kafka topics cannot be created again", { error }))
      .finally(() => {
        this.#repairing = undefined;
      });
    return this.#repairing;
  }
}

function healthOf(
  { bridge }: BridgeConfig,
  topics: TopicKeeper,
  state: { readonly bridge?: Pick<Membership, "problem">; readonly partitions?: Partitions },
): Health {
  const partitions = state.partitions?.status() ?? [];
  const problem = topics.problem ?? state.bridge?.problem;
  const failing = partitions.filter((one) => one.problem !== undefined || one.mqtt !== undefined);
  const late = partitions.filter(({ oldestAge }) => oldestAge > LATE_S);
  const unheard = partitions.filter(({ receipts }) => receipts !== undefined);
  const failed = problem !== undefined || (partitions.length > 0 && failing.length === partitions.length);
  return {
    status: failed ? "failed" : failing.length + late.length + unheard.length > 0 ? "degraded" : "ok",
    version: VERSION,
    bridge: bridge.id,
    group: bridge.group,
    problem: problem ?? null,
    owned: partitions.map(({ partition }) => partition),
    oldest_unacknowledged_s: Math.max(0, ...partitions.map(({ oldestAge }) => oldestAge)),
    partitions: partitions
      .filter((one) => failing.includes(one) || unheard.includes(one))
      .map(({ partition, problem: kafka, mqtt, receipts }) => ({ partition, kafka, mqtt, receipts })),
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
