/** What happens on one live link, from the first subscription to DISCONNECT. */
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../../core/errors.ts";
import type { Stream } from "../../core/record.ts";
import type { SealedRecord } from "../queue.ts";
import type { LinkEnd } from "./approach.ts";
import type { Link } from "./connection.ts";
import { stalled } from "./faults.ts";
import type { FlightBudget } from "./flight-budget.ts";
import { Packing } from "./frame.ts";
import type { Hold } from "./hold.ts";
import { Lane } from "./lane.ts";
import { NowTopics } from "./now.ts";
import { Opening } from "./opening.ts";
import type { Receipt, UplinkOptions, UplinkTiming } from "./options.ts";
import { type Incarnation, Presence } from "./presence.ts";
import type { RateLimit } from "./rate-limit.ts";
import type { Rejections } from "./rejections.ts";
import { backlogStands, qosOf, streamsOf } from "./rules.ts";
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
  readonly rejections: Rejections;
  readonly holds: Readonly<Record<Stream, Hold>>;
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
  readonly #opening: Opening;
  readonly #now: NowTopics;
  readonly #over = new AbortController();
  #backlog = false;
  #queueFailed = false;

  constructor(options: SessionOptions) {
    const { uplink, link, timing, prefix, budget, own, rate, settlement, rejections } = options;
    const { queue, gateway, latestValues, config } = uplink;
    this.#o = options;
    this.#lanes = streamsOf(config).map((stream) => {
      const qos = qosOf(stream, config, link.limits);
      return new Lane({ queue, stream, qos, settlement, hold: options.holds[stream] });
    });
    const hooks = {
      monoMs: () => uplink.clock.monoMs(),
      onAcked: (record: SealedRecord) => options.onAcked(record),
      onRefused: (record: SealedRecord, code: number) => rejections.refused(record, code),
      onQueueError: (error: unknown) => this.#queueError(error),
    };
    const packing = new Packing({ metered: config.link === "metered", retain: link.limits.retain });
    const framing = () => packing.framing(this.#backlog, this.#presence.birthTaken);
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
    this.#opening = new Opening({
      ...{ uplink, timing, link, presence: this.#presence, first: options.first },
      onQueueError: (error) => this.#queueError(error),
      onWarning: (key, text) => options.onWarning(key, text),
    });
    const publish = (tail: string, payload: Buffer): void => this.#publishNow(tail, payload);
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
    return this.#lanes.some((lane) => lane.refused) ? this.#o.rejections.held : undefined;
  }

  /** Milliseconds since the oldest unacknowledged publish, or our SUBSCRIBE, was sent; 0 when there is none. */
  oldestUnackedMs(): number {
    const nowMs = this.#o.uplink.clock.monoMs();
    return nowMs - Math.min(this.#sender.oldestSentMs() ?? nowMs, this.#opening.subscribingMs ?? nowMs);
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
    if (!(await this.#opening.run(this.#over.signal))) return;
    // Whether a backlog stands decides how the first record is packed.
    this.#tick();
    this.#o.onRecordsAllowed();
    this.#sender.allowRecords();
  }

  #publishNow(tail: string, payload: Buffer): void {
    const { link, prefix, onWarning } = this.#o;
    const done = (): void => onWarning("now", `${tail} is above the server's maximum packet size; raise it`);
    link.publish({ topic: `${prefix}/${tail}`, payload, qos: 0, retain: link.limits.retain, done });
  }

  async #farewell(): Promise<void> {
    const { link, timing } = this.#o;
    this.#sender.holdRecords();
    this.#now.clear();
    const late = sleep(timing.farewellMs, undefined, { signal: this.#over.signal }).catch(() => {});
    await Promise.race([this.#presence.leave(), late, link.ended]);
    await link.close();
  }

  #tick(): void {
    const { uplink, timing, link } = this.#o;
    if (this.oldestUnackedMs() > timing.stallMs) {
      link.fail(stalled(uplink.config.url, timing.stallMs));
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
    const { settlement, rejections } = this.#o;
    if (!(settlement instanceof Unreceipted)) return;
    const { again, rejected } = settlement.due();
    for (const lane of this.#lanes) if (again.has(lane.stream)) lane.again();
    for (const record of rejected) if (rejections.unreceipted(record)) settlement.forget(record);
  }

  #queueError(error: unknown): void {
    this.#queueFailed = true;
    this.#o.onWarning("queue", `the outbox cannot be read: ${messageOf(error)}`);
  }
}
