/** What happens on one live link, from the first subscription to DISCONNECT. */
import { setTimeout as sleep } from "node:timers/promises";
import { BusbarError, messageOf } from "../../core/errors.ts";
import type { SealedRecord } from "../queue.ts";
import type { Link, LinkEnd } from "./connection.ts";
import { isPoison, reasonText, refused } from "./faults.ts";
import type { FlightBudget } from "./flight-budget.ts";
import { birthFraming, closeFraming, type Framing, plainFraming } from "./frame.ts";
import { Lane } from "./lane.ts";
import { NowTopics } from "./now.ts";
import type { Receipt, UplinkOptions, UplinkTiming } from "./options.ts";
import { type Incarnation, Presence } from "./presence.ts";
import type { RateLimit } from "./rate-limit.ts";
import { backlogStands, giveUp, qosOf, streamsOf } from "./rules.ts";
import { Sender } from "./sender.ts";
import type { Settlement } from "./settlement.ts";
import { Unreceipted } from "./unreceipted.ts";

export interface SessionOptions {
  readonly uplink: UplinkOptions;
  readonly timing: UplinkTiming;
  readonly link: Link;
  readonly prefix: string;
  readonly own: Incarnation;
  readonly budget: FlightBudget;
  readonly rate: RateLimit | undefined;
  readonly settlement: Settlement;
  /** A process's first record waits for the receipt (DESIGN §2). */
  readonly first: boolean;
  /** One record at a time: one of them is suspected of ending links. */
  readonly alone: boolean;
  /** Assets whose `now` topics may hold a value from before. */
  readonly shownNow: Iterable<string>;
  onShown(assets: Iterable<string>): void;
  /** The server has `online`. */
  onUp(): void;
  onRecordsAllowed(): void;
  /** Undefined: something that is no receipt. */
  onReceipt(receipt: Receipt | undefined): void;
  onAcked(record: SealedRecord): void;
  onWarning(key: string, text: string): void;
}

export class Session {
  readonly #o: SessionOptions;
  readonly #lanes: readonly Lane[];
  readonly #sender: Sender;
  readonly #presence: Presence;
  /** When our SUBSCRIBE went out, until its SUBACK: a first record waits for that. */
  #subscribingMs = Number.POSITIVE_INFINITY;
  readonly #now: NowTopics;
  readonly #over = new AbortController();
  #refusal: string | undefined;
  #backlog = false;
  #queueFailed = false;
  #framing: { readonly birth: Uint8Array; readonly framing: Framing } | undefined;

  constructor(options: SessionOptions) {
    const { uplink, link, timing, prefix, budget, own, rate, settlement } = options;
    const { queue, gateway, latestValues, config } = uplink;
    this.#o = options;
    this.#lanes = streamsOf(config).map((stream) => {
      return new Lane({
        queue,
        stream,
        qos: qosOf(stream, config, link.limits),
        settlement,
        retryFirstMs: timing.retryRefusedMs,
      });
    });
    const hooks = {
      monoMs: () => uplink.clock.monoMs(),
      onAcked: (record: SealedRecord) => options.onAcked(record),
      onRefused: (record: SealedRecord, code: number) => this.#refused(record, code),
      onQueueError: (error: unknown) => this.#queueError(error),
    };
    const framing = (): Framing => this.#framingNow();
    this.#sender = new Sender({ link, lanes: this.#lanes, prefix, window: this.window, budget, rate, framing, hooks });
    this.#presence = new Presence({
      uplink,
      prefix,
      own,
      sender: this.#sender,
      onUp: () => options.onUp(),
      onReceipt: (receipt) => options.onReceipt(receipt),
      onAlive: () => settlement instanceof Unreceipted && settlement.bridgeAlive(),
      onWarning: (key, text) => options.onWarning(key, text),
    });
    const publish = (tail: string, payload: Buffer): void =>
      link.publish({ topic: `${prefix}/${tail}`, payload, qos: 0, retain: link.limits.retain });
    const intervalMs = timing.nowIntervalMs ?? config.now.interval;
    const when = config.link === "metered" ? "never" : config.now.when;
    const { onShown } = options;
    this.#now = new NowTopics({ gateway, latest: latestValues, publish, when, intervalMs, onShown }, options.shownNow);
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

  /** Milliseconds since the oldest unacknowledged publish, or our SUBSCRIBE, was sent; 0 when there is none. */
  oldestUnackedMs(): number {
    const sentMs = Math.min(this.#sender.oldestSentMs() ?? Number.POSITIVE_INFINITY, this.#subscribingMs);
    return sentMs === Number.POSITIVE_INFINITY ? 0 : this.#o.uplink.clock.monoMs() - sentMs;
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
    this.#subscribingMs = uplink.clock.monoMs();
    const subscribed = link.subscribe(this.#presence.topics).finally(() => {
      this.#subscribingMs = Number.POSITIVE_INFINITY;
    });
    this.#presence.announce(this.#births());
    if (first) {
      await subscribed;
      await sleep(timing.receiptWaitMs, undefined, { signal: this.#over.signal }).catch(() => {});
    }
    await this.#released();
    if (this.#over.signal.aborted) return;
    // Whether a backlog stands decides how the first record is packed.
    this.#tick();
    this.#o.onRecordsAllowed();
    this.#sender.allowRecords();
    this.#warnOfRefusedTopics(await subscribed);
  }

  /** A record leaves only after it is noted that records may have left (outbox/renew.ts). */
  async #released(): Promise<void> {
    const { signal } = this.#over;
    const { uplink, timing, onWarning } = this.#o;
    while (!signal.aborted && uplink.onRelease?.() === false) {
      onWarning("release", "records wait until the outbox can be written");
      await sleep(timing.retryRefusedMs, undefined, { signal }).catch(() => {});
    }
  }

  /** The birth as dictionary only when the server keeps it for every reader. */
  #framingNow(): Framing {
    const birth = this.#presence.birthTaken;
    const { link, uplink } = this.#o;
    const plain = this.#backlog ? plainFraming : closeFraming;
    if (uplink.config.link !== "metered" || birth === undefined || !link.limits.retain) return plain;
    if (this.#framing?.birth !== birth) this.#framing = { birth, framing: birthFraming(birth) };
    return this.#framing.framing;
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
      this.#sendAgain();
      // Wakes what was held until now.
      this.#sender.schedule();
      this.#backlog = backlogStands(this.#lanes, uplink);
      this.#now.update(this.#backlog, uplink.clock.monoMs());
    } catch (error) {
      this.#queueError(error);
    }
  }

  /** What the cloud has given no receipt for. */
  #sendAgain(): void {
    const { settlement, uplink } = this.#o;
    if (!(settlement instanceof Unreceipted)) return;
    const { again, rejected } = settlement.due();
    for (const lane of this.#lanes) if (again.has(lane.stream)) lane.again();
    for (const record of rejected) {
      const { stream, epoch, seq } = record;
      const text = `stream ${stream} record ${epoch}/${seq}: sent four times without a receipt`;
      if (giveUp(uplink, { stream, at: { epoch, seq }, reasonCode: undefined, text })) settlement.forget(record);
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
