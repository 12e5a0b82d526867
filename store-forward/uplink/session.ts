/** What happens on one live link, from the first subscription to DISCONNECT. */
import { setTimeout as sleep } from "node:timers/promises";
import { BusbarError, messageOf } from "../../core/errors.ts";
import { STREAMS } from "../../core/record.ts";
import type { SealedRecord } from "../queue.ts";
import type { Link, LinkEnd } from "./connection.ts";
import { isPoison, reasonText, refused } from "./faults.ts";
import type { FlightBudget } from "./flight-budget.ts";
import { Lane } from "./lane.ts";
import { NowTopics } from "./now.ts";
import type { Rejection, UplinkOptions, UplinkTiming } from "./options.ts";
import { type Incarnation, Presence } from "./presence.ts";
import { Sender } from "./sender.ts";

export interface SessionOptions {
  readonly uplink: UplinkOptions;
  readonly timing: UplinkTiming;
  readonly link: Link;
  readonly prefix: string;
  readonly own: Incarnation;
  readonly budget: FlightBudget;
  /** A process's first record waits for the receipt (DESIGN §2). */
  readonly first: boolean;
  /** One record at a time: one of them is suspected of ending links. */
  readonly alone: boolean;
  /** Assets whose `now` topics may hold a value from before. */
  readonly shownNow: Iterable<string>;
  /** The server has `online`. */
  onUp(): void;
  onRecordsAllowed(): void;
  onAcked(record: SealedRecord): void;
  onWarning(key: string, text: string): void;
}

export class Session {
  readonly #o: SessionOptions;
  readonly #lanes: readonly Lane[];
  readonly #sender: Sender;
  readonly #presence: Presence;
  readonly #now: NowTopics;
  readonly #over = new AbortController();
  #refusal: string | undefined;
  #backlog = false;
  #queueFailed = false;

  constructor(options: SessionOptions) {
    const { uplink, link, timing, prefix, budget, own } = options;
    const { queue, gateway, latestValues } = uplink;
    this.#o = options;
    this.#lanes = STREAMS.map((stream) => {
      return new Lane({ queue, stream, qos: qosOf(stream, options), retryFirstMs: timing.retryRefusedMs });
    });
    const hooks = {
      monoMs: () => uplink.clock.monoMs(),
      onAcked: (record: SealedRecord) => options.onAcked(record),
      onRefused: (record: SealedRecord, code: number) => this.#refused(record, code),
      onQueueError: (error: unknown) => this.#queueError(error),
    };
    this.#sender = new Sender({ link, lanes: this.#lanes, prefix, window: this.window, budget, hooks });
    this.#presence = new Presence({
      uplink,
      prefix,
      own,
      sender: this.#sender,
      onUp: () => options.onUp(),
      onWarning: (key, text) => options.onWarning(key, text),
    });
    const publish = (tail: string, payload: Buffer): void =>
      link.publish(`${prefix}/${tail}`, payload, 0, link.limits.retain);
    const intervalMs = timing.nowIntervalMs;
    this.#now = new NowTopics({ gateway, latest: latestValues, publish, intervalMs }, options.shownNow);
  }

  get window(): number {
    const { uplink, link, alone } = this.#o;
    return alone ? 1 : Math.min(uplink.config.window, link.limits.receiveMaximum);
  }

  get inFlight(): number {
    return this.#sender.inFlight;
  }

  get up(): boolean {
    return this.#presence.up;
  }

  get backlog(): boolean {
    return this.#backlog;
  }

  get shownNow(): Iterable<string> {
    return this.#now.shown;
  }

  /** Why records are held, while some are. */
  get refusal(): string | undefined {
    return this.#lanes.some((lane) => lane.refused) ? this.#refusal : undefined;
  }

  /** Milliseconds since the oldest unacknowledged publish was sent; 0 when there is none. */
  oldestUnackedMs(): number {
    const sentMs = this.#sender.oldestSentMs();
    return sentMs === undefined ? 0 : this.#o.uplink.clock.monoMs() - sentMs;
  }

  /** The record that has waited longest for its acknowledgement. */
  oldestInFlight(): SealedRecord | undefined {
    const flights = this.#lanes.map((lane) => lane.oldest()).filter((flight) => flight !== undefined);
    return flights.sort((a, b) => a.sentMs - b.sentMs)[0]?.record;
  }

  /** The queue may have new records. */
  wake(): void {
    for (const lane of this.#lanes) lane.wake();
    this.#sender.schedule();
  }

  /** Lives until the link ends, or, when `signal` aborts, says offline and disconnects. Never throws. */
  async run(signal: AbortSignal): Promise<LinkEnd> {
    const { link, timing, onWarning } = this.#o;
    const stopped = Promise.withResolvers<undefined>();
    const stop = (): void => stopped.resolve(undefined);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    link.onMessage = (topic, payload) => this.#presence.message(topic, payload);
    link.onNoSubscriber = () =>
      onWarning("subscriber", "nobody subscribes to the records on the server; check that the bridge runs");
    const timer = setInterval(() => this.#tick(), timing.tickMs);
    try {
      const begun = this.#begin();
      if ((await Promise.race([link.ended, stopped.promise])) === undefined) await this.#farewell();
      this.#over.abort();
      await begun;
      return await link.ended;
    } finally {
      signal.removeEventListener("abort", stop);
      clearInterval(timer);
      this.#sender.stop();
    }
  }

  async #begin(): Promise<void> {
    const { link, first, timing, uplink } = this.#o;
    if (link.limits.maximumQos === 0) {
      link.fail(refused(uplink.config.url, 0x9b));
      return;
    }
    this.#warnOfLimits();
    const subscribed = link.subscribe(this.#presence.topics);
    this.#presence.announce(this.#births());
    if (first) {
      await subscribed;
      await sleep(timing.receiptWaitMs, undefined, { signal: this.#over.signal }).catch(() => {});
    }
    if (this.#over.signal.aborted) return;
    this.#o.onRecordsAllowed();
    this.#sender.allowRecords();
    this.#warnOfRefusedTopics(await subscribed);
  }

  async #farewell(): Promise<void> {
    const { link, timing } = this.#o;
    this.#sender.holdRecords();
    this.#now.clear();
    const late = sleep(timing.farewellMs, undefined, { signal: this.#over.signal }).catch(() => {});
    await Promise.race([this.#presence.leave(), late, link.ended]);
    await link.close();
  }

  #births(): Uint8Array[] {
    try {
      return this.#o.uplink.queue.births();
    } catch (error) {
      this.#queueError(error);
      return [];
    }
  }

  #tick(): void {
    const { uplink, timing, link } = this.#o;
    if (this.oldestUnackedMs() > timing.stallMs) {
      link.fail(this.#stall());
      return;
    }
    if (this.#over.signal.aborted) return;
    this.#presence.tick();
    try {
      if (this.#queueFailed) this.wake();
      this.#queueFailed = false;
      // Wakes what was held until now.
      this.#sender.schedule();
      this.#backlog = backlogStands(this.#lanes, uplink);
      this.#now.update(this.#backlog, uplink.clock.monoMs());
    } catch (error) {
      this.#queueError(error);
    }
  }

  #stall(): BusbarError {
    const { uplink, timing } = this.#o;
    const what = `uplink ${uplink.config.url}: no acknowledgement in ${timing.stallMs} ms`;
    const remedy = "the connection is replaced; check the network and the server's load";
    return new BusbarError("UPLINK_STALLED", what, { remedy });
  }

  #refused(record: SealedRecord, reasonCode: number): "gone" | "held" {
    const { uplink } = this.#o;
    const { stream, epoch, seq } = record;
    const { what, remedy } = reasonText(reasonCode);
    const text = `stream ${stream} record ${epoch}/${seq}: ${what}`;
    const rejection = { stream, at: { epoch, seq }, reasonCode, text };
    if (isPoison(reasonCode) && giveUp(uplink, rejection)) return "gone";
    this.#refusal = `uplink ${uplink.config.url}: ${text}; ${remedy}`;
    return "held";
  }

  #queueError(error: unknown): void {
    this.#queueFailed = true;
    this.#o.onWarning("queue", `the outbox cannot be read: ${messageOf(error)}`);
  }

  #warnOfLimits(): void {
    const { link, uplink, onWarning } = this.#o;
    const { critical, telemetry } = uplink.config.qos;
    const { maximumQos, retain } = link.limits;
    if (Math.max(critical, telemetry) > maximumQos) onWarning("qos", `the server offers QoS ${maximumQos} at most`);
    if (!retain) onWarning("retain", "the server keeps no retained messages; state and birth are lost");
    if (link.protocol === "3.1.1" && telemetry === 2) {
      onWarning("qos", "over MQTT 3.1.1 QoS 2 goes one at a time; set uplink.qos.telemetry to 1, or use MQTT 5");
    }
  }

  #warnOfRefusedTopics(topics: readonly string[]): void {
    if (topics.length === 0 || this.#over.signal.aborted) return;
    this.#o.onWarning("subscribe", `the server refuses to subscribe ${topics.join(", ")}; allow it`);
  }
}

/** The oldest unacknowledged record was sealed more than three publish intervals ago. Throws what the queue throws. */
export function backlogStands(lanes: readonly Lane[], { clock, config }: UplinkOptions): boolean {
  const times = lanes.map((lane) => lane.oldestSealedMs()).filter((time) => time !== undefined);
  return times.length > 0 && clock.wallUs() / 1000 - Math.min(...times) > 3 * config.publish_interval;
}

/** Hands a record to the dead letters; false when it stays in the queue. */
export function giveUp({ onRejected, log }: UplinkOptions, rejection: Rejection): boolean {
  try {
    return onRejected?.(rejection) === true;
  } catch (error) {
    log.error("a rejected record could not be set aside", { record: rejection.text, reason: messageOf(error) });
    return false;
  }
}

function qosOf(stream: string, { uplink, link }: SessionOptions): 1 | 2 {
  const { critical, telemetry } = uplink.config.qos;
  const wanted = stream === "c" ? critical : telemetry;
  return link.limits.maximumQos === 2 ? wanted : 1;
}
