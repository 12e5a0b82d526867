/**
 * Order and window of one link (DESIGN invariant 5): presence first, then critical, telemetry, bulk; each stream in
 * seq order; never more unacknowledged publishes than the window; one slot of it is critical's own.
 */
import type { SealedRecord } from "../queue.ts";
import type { Link } from "./connection.ts";
import { Controls } from "./controls.ts";
import type { FlightBudget } from "./flight-budget.ts";
import type { Framing } from "./frame.ts";
import type { Lane } from "./lane.ts";
import { publishBytes } from "./limits.ts";
import type { RateLimit } from "./rate-limit.ts";
import { RecordTopics } from "./record-topics.ts";

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

/** Publishes per turn of the event loop: this thread commits samples, too. */
const PER_TURN = 64;

export class Sender {
  readonly #o: SenderOptions;
  readonly #controls: Controls;
  readonly #critical: Lane | undefined;
  readonly #topics: RecordTopics;
  #recordsAllowed = false;
  #scheduled: NodeJS.Immediate | undefined;
  /** Monotonic milliseconds of what asked for the next turn first: the clock is not read for each acknowledgement. */
  #turnMs = 0;
  #lookingAhead: NodeJS.Immediate | undefined;
  #nextTurn: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: SenderOptions) {
    this.#o = options;
    this.#controls = new Controls(options.link);
    this.#topics = new RecordTopics(options.prefix);
    this.#critical = options.lanes.find(({ stream }) => stream === "c");
  }

  get inFlight(): number {
    let count = this.#controls.inFlight;
    for (const { inFlight } of this.#o.lanes) count += inFlight;
    return count;
  }

  /** Records may follow what presence has queued. */
  allowRecords(): void {
    this.#recordsAllowed = true;
    this.schedule();
  }

  /** A retained QoS 1 publish that goes before all records; `done` gets the reason code of its acknowledgement. */
  control(topic: string, payload: Buffer, done: (reasonCode: number) => void): void {
    const acked = (reasonCode: number): void => {
      this.schedule();
      done(reasonCode);
    };
    this.#controls.add({ topic, payload, done: acked });
    this.schedule();
  }

  /** Sends in the next turn: everything that one read of the socket acknowledged is refilled in one write. */
  schedule(): void {
    if (this.#stopped) return;
    if (this.#scheduled !== undefined) return;
    this.#turnMs = this.#o.hooks.monoMs();
    this.#scheduled = setImmediate(() => {
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
    times.push(this.#controls.oldestSentMs);
    const known = times.filter((time) => time !== undefined);
    return known.length === 0 ? undefined : Math.min(...known);
  }

  #pump(): void {
    try {
      const nowMs = this.#o.hooks.monoMs();
      for (let count = 0; count < PER_TURN; count++) {
        if (this.#sendOne(nowMs, count)) continue;
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

  /** True when one was sent, or left the queue otherwise. `before`: how many this turn has sent. */
  #sendOne(nowMs: number, before: number): boolean {
    const { inFlight } = this;
    if (inFlight >= this.#o.window) return false;
    if (this.#controls.sendNext(nowMs)) return true;
    if (!this.#recordsAllowed) return false;
    for (const lane of this.#o.lanes) {
      if (lane.stream !== "c" && !this.#mayUncritical(inFlight, nowMs)) continue;
      if (lane.qos === 2 && !this.#mayQos2()) continue;
      if (before > 0 && lane.mustRead(nowMs)) {
        // What was sent leaves first: to make the next lot takes longer than the server needs for what it gets.
        this.schedule();
        return false;
      }
      const record = lane.next(nowMs);
      if (record !== undefined) return this.#send(lane, record, nowMs);
    }
    return false;
  }

  /** Leaves critical its own slot; a window of one has none to give away. */
  #mayUncritical(inFlight: number, nowMs: number): boolean {
    const { window, budget } = this.#o;
    const critical = this.#critical?.inFlight ?? 0;
    return budget.open && (window === 1 || inFlight - critical < window - 1) && this.#inRate(nowMs);
  }

  #inRate(nowMs: number): boolean {
    const waitMs = this.#o.rate?.waitMs(nowMs) ?? 0;
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

  #send(lane: Lane, record: SealedRecord, nowMs: number): boolean {
    const { link, budget } = this.#o;
    const topic = this.#topics.of(record);
    const payload = this.#o.framing()(record.plain);
    const bytes = publishBytes(topic, payload);
    lane.sent(record, bytes, nowMs);
    budget.sent(bytes);
    this.#o.rate?.spend(bytes, nowMs);
    const done = (code: number): void => this.#answered(lane, record, bytes, code);
    link.publish({ topic, payload, qos: lane.qos, retain: false, done });
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
    this.#o.budget.acked(bytes, this.#turnMs - flight.sentMs);
    this.#o.hooks.onAcked(record, bytes);
  }

  #refused(lane: Lane, record: SealedRecord, bytes: number, reasonCode: number): void {
    this.#o.budget.refused(bytes);
    if (this.#o.hooks.onRefused(record, reasonCode) === "gone") lane.forget(record);
    else lane.hold(record, this.#o.hooks.monoMs());
  }
}
