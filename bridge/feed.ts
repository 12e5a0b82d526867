/** One partition's MQTT side: keeps the partition's persistent session connected and fills the inbox. */
import { setTimeout as delay } from "node:timers/promises";
import { backoff } from "../core/backoff.ts";
import type { BusbarError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { MqttConfig } from "./config.ts";
import type { Inbox } from "./inbox.ts";
import type { PartitionMetrics } from "./metrics.ts";
import { ConnackError, refusalError } from "./mqtt/faults.ts";
import { NO_ANSWER } from "./mqtt/in-flight.ts";
import type { Received } from "./mqtt/received.ts";
import { Session, type SessionOptions } from "./mqtt/session.ts";
import type { ProtocolLevel } from "./mqtt/wire.ts";
import { readPassword, readTls } from "./secrets.ts";

export interface FeedOptions {
  readonly config: MqttConfig;
  /** Made of group and partition only: whoever owns the partition continues its session. */
  readonly clientId: string;
  readonly filters: readonly string[];
  readonly inbox: Inbox;
  readonly metrics: PartitionMetrics;
  readonly log: Logger;
}

/** Above one of these nothing more is read, until half of it is left; at QoS 0 no window bounds what the server sends. */
const MAX_INBOX_BYTES = 32 * 1024 ** 2;
const MAX_INBOX_MESSAGES = 100_000;
/** Larger publishes the server keeps to itself (MQTT-3.1.2-25). */
export const MAX_PACKET_BYTES = 8 * 1024 ** 2;
const RETRY = { firstMs: 200, maxMs: 5000 };
/** A link that held for so long was no failure. */
const HELD_MS = 10_000;

export class Feed {
  readonly #o: FeedOptions;
  #session: Session | undefined;
  #level: ProtocolLevel;
  /** Why there is no connection; undefined when there is one. */
  problem: string | undefined = "not connected yet";
  /** Why gateways do not hear what is in Kafka; undefined when they do. */
  refusal: string | undefined;

  constructor(options: FeedOptions) {
    this.#o = options;
    this.#level = options.config.protocol === "3.1.1" ? 4 : 5;
  }

  /** Connects, and again whenever the connection is lost, until aborted; then closes it in order. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    let delays = backoff(RETRY);
    while (!signal.aborted) {
      const startedMs = performance.now();
      const error = await this.#live(signal);
      if (signal.aborted) break;
      if (this.problem !== error.message) this.#o.log.warn("mqtt connection lost", { error });
      this.problem = error.message;
      if (error instanceof ConnackError && error.versionRefused && this.#fallBack()) continue;
      if (performance.now() - startedMs > HELD_MS) delays = backoff(RETRY);
      await delay(delays.next().value, undefined, { signal }).catch(() => {});
    }
  }

  /** True when the server took it. */
  async retain(topic: string, payload: string): Promise<boolean> {
    const code = (await this.#session?.retain(topic, payload)) ?? NO_ANSWER;
    if (code === NO_ANSWER) return false;
    if (code < 0x80) this.refusal = undefined;
    else this.#refused(topic, code);
    return code < 0x80;
  }

  send(topic: string, payload: string): void {
    this.#session?.send(topic, payload);
  }

  /** To be called when the inbox shrank. */
  relieve(): void {
    if (this.#session !== undefined && this.#fullness < 0.5) this.#session.paused = false;
  }

  #refused(topic: string, code: number): void {
    const { config, clientId, log } = this.#o;
    const remedy = `allow ${clientId} to publish to ${topic} and its like`;
    const error = refusalError(config.url, "a receipt", { code, remedy });
    if (this.refusal === undefined) log.warn("receipts do not reach gateways", { error });
    this.refusal = error.message;
  }

  async #live(signal: AbortSignal): Promise<BusbarError> {
    const { inbox, log, metrics } = this.#o;
    const life = inbox.begin();
    try {
      const session = await Session.open(this.#options(life), signal);
      this.#session = session;
      this.problem = undefined;
      metrics.connected(session.kept);
      log.info("mqtt connected", { client: this.#o.clientId, session: session.kept ? "kept" : "new" });
      const stop = (): void => session.close();
      signal.addEventListener("abort", stop, { once: true });
      const error = await session.ended;
      signal.removeEventListener("abort", stop);
      return error;
    } catch (error) {
      return error as BusbarError;
    } finally {
      this.#session = undefined;
      inbox.begin();
    }
  }

  #options(life: number): SessionOptions {
    const { config, clientId, filters } = this.#o;
    const { password_file: file } = config;
    return {
      url: config.url,
      level: this.#level,
      clientId,
      username: config.username,
      password: file === undefined ? undefined : readPassword("mqtt.password_file", file),
      tls: readTls("mqtt", config),
      sessionExpiryMs: config.session_expiry,
      window: config.window,
      maxPacketBytes: MAX_PACKET_BYTES,
      keepaliveMs: config.keepalive,
      filters,
      life,
      onMessage: (message) => this.#take(message),
    };
  }

  #take(message: Received): void {
    this.#o.inbox.push(message);
    if (this.#fullness > 1 && this.#session !== undefined) this.#session.paused = true;
  }

  get #fullness(): number {
    const { bytes, length } = this.#o.inbox;
    return Math.max(bytes / MAX_INBOX_BYTES, length / MAX_INBOX_MESSAGES);
  }

  #fallBack(): boolean {
    if (this.#o.config.protocol !== "auto" || this.#level === 4) return false;
    this.#level = 4;
    this.#o.log.info("mqtt server does not take MQTT 5", { using: "3.1.1" });
    return true;
  }
}
