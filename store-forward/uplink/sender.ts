/**
 * Order and window of one link (DESIGN invariant 5): presence first, then critical, telemetry, bulk; each stream in
 * seq order; never more unacknowledged publishes than the window; one slot of it is critical's own.
 */
import { recordTopicTail } from "../../core/topics.ts";
import type { SealedRecord } from "../queue.ts";
import type { Link } from "./connection.ts";
import type { FlightBudget } from "./flight-budget.ts";
import type { Framing } from "./frame.ts";
import type { Lane } from "./lane.ts";
import { publishBytes } from "./limits.ts";
import type { RateLimit } from "./rate-limit.ts";

export interface SenderHooks {
  readonly monoMs: () => number;
  onAcked(record: SealedRecord, bytes: number): void;
  /** The server, or its packet limit, refuses it. `gone`: the queue will not return it again. */
  onRefused(record: SealedRecord, reasonCode: number): "gone" | "held";
  /** The queue failed. */
  onQueueError(error: unknown): void;
}

export interface SenderOptions {
  readonly link: Link;
  readonly lanes: readonly Lane[];
  readonly prefix: string;
  readonly window: number;
  readonly budget: FlightBudget;
  readonly rate: RateLimit | undefined;
  /** Asked at each send: what a record travels as may change with what the server has. */
  readonly framing: () => Framing;
  readonly hooks: SenderHooks;
}

interface Control {
  readonly topic: string;
  readonly payload: Buffer;
  readonly done: (reasonCode: number) => void;
}

/** Publishes per turn of the event loop: this thread commits samples, too. */
const PER_TURN = 64;

export class Sender {
  readonly #o: SenderOptions;
  readonly #controls: Control[] = [];
  /** Send times of presence publishes under way. */
  readonly #controlsSent = new Set<{ readonly sentMs: number }>();
  #recordsAllowed = false;
  #scheduled: NodeJS.Immediate | undefined;
  #lookingAhead: NodeJS.Immediate | undefined;
  #nextTurn: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: SenderOptions) {
    this.#o = options;
  }

  get inFlight(): number {
    return this.#o.lanes.reduce((sum, lane) => sum + lane.inFlight, this.#controlsSent.size);
  }

  /** Records may follow what presence has queued. */
  allowRecords(): void {
    this.#recordsAllowed = true;
    this.schedule();
  }

  /** A retained QoS 1 publish that goes before all records; `done` gets the reason code of its acknowledgement. */
  control(topic: string, payload: Buffer, done: (reasonCode: number) => void): void {
    this.#controls.push({ topic, payload, done });
    this.schedule();
  }

  /** Sends in the next turn: everything that one read of the socket acknowledged is refilled in one write. */
  schedule(): void {
    if (this.#stopped) return;
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined;
      this.#pump();
    });
  }

  /** Only what `control` is given is sent from now on. */
  holdRecords(): void {
    this.#recordsAllowed = false;
  }

  /** Nothing is sent any more, and no acknowledgement counts. */
  stop(): void {
    this.#stopped = true;
    clearImmediate(this.#scheduled);
    clearImmediate(this.#lookingAhead);
    clearTimeout(this.#nextTurn);
    this.#scheduled = undefined;
  }

  /** Monotonic milliseconds at which the oldest unacknowledged publish was sent. */
  oldestSentMs(): number | undefined {
    const times = this.#o.lanes.map((lane) => lane.oldest()?.sentMs);
    times.push(this.#controlsSent.values().next().value?.sentMs);
    const known = times.filter((time) => time !== undefined);
    return known.length === 0 ? undefined : Math.min(...known);
  }

  #pump(): void {
    try {
      for (let count = 0; count < PER_TURN; count++) {
        if (this.#sendOne()) continue;
        this.#lookAhead();
        return;
      }
      this.schedule();
    } catch (error) {
      this.#o.hooks.onQueueError(error);
    }
  }

  /** Reads what is next while acknowledgements are awaited, after what was written has left. */
  #lookAhead(): void {
    if (this.inFlight === 0) return;
    this.#lookingAhead ??= setImmediate(() => {
      this.#lookingAhead = undefined;
      try {
        for (const lane of this.#o.lanes) lane.lookAhead();
      } catch (error) {
        this.#o.hooks.onQueueError(error);
      }
    });
  }

  /** True when one was sent, or left the queue otherwise. */
  #sendOne(): boolean {
    if (this.inFlight >= this.#o.window) return false;
    if (this.#sendControl()) return true;
    if (!this.#recordsAllowed) return false;
    for (const lane of this.#o.lanes) {
      if (lane.stream !== "c" && !this.#mayUncritical()) continue;
      if (lane.qos === 2 && !this.#mayQos2()) continue;
      const record = lane.next(this.#o.hooks.monoMs());
      if (record !== undefined) return this.#send(lane, record);
    }
    return false;
  }

  /** Leaves critical its own slot; a window of one has none to give away. */
  #mayUncritical(): boolean {
    const { lanes, window, budget } = this.#o;
    const critical = lanes.find((lane) => lane.stream === "c")?.inFlight ?? 0;
    return budget.open && (window === 1 || this.inFlight - critical < window - 1) && this.#inRate();
  }

  #inRate(): boolean {
    const waitMs = this.#o.rate?.waitMs(this.#o.hooks.monoMs()) ?? 0;
    if (waitMs === 0) return true;
    this.#nextTurn ??= setTimeout(() => {
      this.#nextTurn = undefined;
      this.schedule();
    }, waitMs);
    return false;
  }

  /**
   * MQTT 3.1.1 has neither Receive Maximum nor reason codes: Mosquitto acknowledges a QoS 2 publish beyond its
   * max_inflight_messages and drops it (460 of 500 with 300 in flight). One at a time is safe with any setting.
   */
  #mayQos2(): boolean {
    return this.#o.link.protocol === "5" || !this.#o.lanes.some((lane) => lane.qos === 2 && lane.inFlight > 0);
  }

  #sendControl(): boolean {
    const control = this.#controls.shift();
    if (control === undefined) return false;
    const sent = { sentMs: this.#o.hooks.monoMs() };
    this.#controlsSent.add(sent);
    const { link } = this.#o;
    link.publish(control.topic, control.payload, 1, link.limits.retain, (reasonCode) => {
      this.#controlsSent.delete(sent);
      this.schedule();
      control.done(reasonCode);
    });
    return true;
  }

  #send(lane: Lane, record: SealedRecord): boolean {
    const { link, prefix, budget, hooks } = this.#o;
    const topic = `${prefix}/${recordTopicTail(record.kind, record.asset)}`;
    const payload = this.#o.framing()(record.plain);
    const bytes = publishBytes(topic, payload);
    lane.sent(record, bytes, hooks.monoMs());
    budget.sent(bytes);
    this.#o.rate?.spend(bytes, hooks.monoMs());
    if (bytes > link.limits.maximumPacketBytes) this.#refused(lane, record, bytes, 0x95);
    else link.publish(topic, payload, lane.qos, false, (code) => this.#answered(lane, record, bytes, code));
    return true;
  }

  /** Runs inside mqtt.js, which must not meet exceptions: what the queue throws leaves the record in flight. */
  #answered(lane: Lane, record: SealedRecord, bytes: number, reasonCode: number): void {
    if (this.#stopped) return;
    this.schedule();
    try {
      if (reasonCode >= 0x80) this.#refused(lane, record, bytes, reasonCode);
      else this.#taken(lane, record, bytes);
    } catch (error) {
      this.#o.hooks.onQueueError(error);
    }
  }

  #taken(lane: Lane, record: SealedRecord, bytes: number): void {
    const flight = lane.acked(record);
    if (flight === undefined) return;
    this.#o.budget.acked(bytes, this.#o.hooks.monoMs() - flight.sentMs);
    this.#o.hooks.onAcked(record, bytes);
  }

  #refused(lane: Lane, record: SealedRecord, bytes: number, reasonCode: number): void {
    this.#o.budget.refused(bytes);
    if (this.#o.hooks.onRefused(record, reasonCode) === "gone") lane.forget(record);
    else lane.hold(record, this.#o.hooks.monoMs());
  }
}
