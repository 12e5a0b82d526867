/**
 * The bounded queue between the field thread and the storage thread.
 *
 * Batches are packed into buffers; a buffer is posted when it is full or at `flush`, and its memory goes with it. At
 * most `maxPending` posted buffers are unanswered; beyond that full buffers wait here, as many again, and then the
 * oldest is dropped and counted: the field thread never waits. What was dropped travels as `overload` with the next
 * message, so that the gap is durable no later than the watermark beside it.
 *
 * A watermark says: every sample with a time up to it is in this or an earlier hand-off. A buffer that was closed
 * because it was full carries the last one told before, for the rest of that tick is still to come.
 *
 * When the gateway's clock jumps a new era begins: no buffer mixes two, and watermarks of one are not compared with those
 * of another.
 *
 * An answer means that storage has it in memory. What was posted is remembered (how much, from when to when) until it is
 * durable: when the storage thread dies it is told as lost, rather a buffer too much than one too little.
 */
import type { Clock } from "../core/clock.ts";
import { PackWriter } from "../core/pack-writer.ts";
import type { Batch } from "../core/sample.ts";
import type { Overload, ToStorage } from "./protocol.ts";

/** Without samples the watermark alone is told this often. */
const IDLE_MS = 500;
/** Buffers remembered one by one until they are durable; beyond that the oldest are remembered as one. */
const MAX_UNDURABLE = 1000;

export interface HandOffOptions {
  post(message: ToStorage, transfer: ArrayBuffer[]): void;
  readonly clock: Clock;
  /** Most buffers posted and not answered, and most full ones waiting behind them. */
  readonly maxPending: number;
  readonly bufferBytes: number;
}

interface Closed {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly samples: number;
  readonly t0: number;
  readonly t1: number;
  readonly watermark: number;
  readonly synced: boolean;
  readonly era: number;
}

interface Undurable extends Overload {
  readonly watermark: number;
  readonly era: number;
  /** Of its samples: those that are counted as dropped already, whose telling is not durable yet. */
  readonly counted: number;
}

export class HandOff {
  readonly #o: HandOffOptions;
  readonly #writer: PackWriter;
  readonly #waiting: Closed[] = [];
  readonly #undurable: Undurable[] = [];
  #overload: Overload | undefined;
  #era = 0;
  #watermark = 0;
  #toldWatermark = 0;
  #toldAtMs = 0;
  #synced: boolean;
  #t0 = Number.POSITIVE_INFINITY;
  #t1 = Number.NEGATIVE_INFINITY;
  #pending = 0;
  #dropped = 0;

  constructor(options: HandOffOptions) {
    this.#o = options;
    this.#writer = new PackWriter(options.bufferBytes);
    this.#synced = options.clock.synced;
  }

  /** Buffers posted and not answered yet. */
  get pending(): number {
    return this.#pending;
  }
  /** Entries kept of what is posted and not durable. */
  get undurable(): number {
    return this.#undurable.length;
  }
  /** Samples dropped since the start; each is told to the storage thread once. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes a batch. Never waits, never throws. */
  add(batch: Batch): void {
    if (this.#o.clock.synced !== this.#synced) {
      this.#close();
      this.#synced = this.#o.clock.synced;
    }
    const tMs = Math.floor(batch.tUs / 1000);
    if (!this.#writer.add(batch)) {
      this.#close();
      this.#pump();
      if (!this.#writer.add(batch)) {
        this.#drop(batch.numbers.length, tMs, tMs);
        return;
      }
    }
    if (tMs < this.#t0) this.#t0 = tMs;
    if (tMs > this.#t1) this.#t1 = tMs;
  }

  /** Every sample with a time up to `watermarkMs` (since 1970) was added: hands over what there is. */
  flush(watermarkMs: number): void {
    if (watermarkMs > this.#watermark) this.#watermark = watermarkMs;
    this.#pump();
    // While the way is blocked the buffer goes on filling: small ones would push each other out.
    if (this.#waiting.length === 0 && this.#pending < this.#o.maxPending) this.#close();
    this.#pump();
    // To a thread that does not answer it would be told again and again.
    if (this.#pending > this.#o.maxPending / 2 || this.#watermark === this.#toldWatermark) return;
    const nowMs = this.#o.clock.monoMs();
    if (nowMs - this.#toldAtMs >= IDLE_MS || this.#overload !== undefined) this.#post(this.#closed(0));
  }

  /** The clock has just jumped: what is added from now on has times of the new era, later than `watermarkMs`. */
  newEra(watermarkMs: number): void {
    this.#close();
    // What was dropped so far is told in the old era's times; with no watermark, for buffers may still wait.
    if (this.#overload !== undefined) this.#post({ ...this.#closed(0), watermark: 0 });
    this.#era++;
    this.#synced = this.#o.clock.synced;
    this.#watermark = watermarkMs;
    this.#pump();
    if (this.#waiting.length === 0) this.#post(this.#closed(0));
  }

  /** The end: like `flush`, and whatever waits goes too, for nobody will answer any more. */
  finish(watermarkMs: number): void {
    this.flush(watermarkMs);
    this.#close();
    for (const closed of this.#waiting.splice(0)) this.#post(closed);
  }

  /** So many hand-offs were answered with `taken`. */
  taken(count = 1): void {
    this.#pending = Math.max(0, this.#pending - count);
    this.#pump();
  }

  /** Storage told its `durable_until`, milliseconds since 1970, and the era in which it is told. */
  durable(untilMs: number, era = 0): void {
    // A later buffer may carry the same watermark, so reaching it says nothing of those that have it.
    const isDurable = (one: Undurable): boolean => one.era < era || (one.era === era && one.watermark < untilMs);
    while (this.#undurable[0] !== undefined && isDurable(this.#undurable[0])) this.#undurable.shift();
  }

  /** The storage thread died: what it had not answered will never be. Returns how many samples may have gone with it. */
  lost(): number {
    const droppedBefore = this.#dropped;
    for (const { samples, t0, t1, counted } of this.#undurable.splice(0)) {
      this.#drop(samples, t0, t1);
      this.#dropped -= counted;
    }
    this.#pending = 0;
    this.#pump();
    return this.#dropped - droppedBefore;
  }

  #close(): void {
    const { samples } = this.#writer;
    if (samples === 0) return;
    if (this.#waiting.length >= this.#o.maxPending) {
      const oldest = this.#waiting.shift();
      if (oldest !== undefined) this.#drop(oldest.samples, oldest.t0, oldest.t1);
    }
    this.#waiting.push(this.#closed(samples));
    this.#t0 = Number.POSITIVE_INFINITY;
    this.#t1 = Number.NEGATIVE_INFINITY;
  }

  #closed(samples: number): Closed {
    const bytes = this.#writer.take();
    const span = { t0: this.#t0, t1: this.#t1 };
    return { bytes, samples, ...span, watermark: this.#watermark, synced: this.#synced, era: this.#era };
  }

  #pump(): void {
    while (this.#pending < this.#o.maxPending) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#post(next);
    }
  }

  #post(closed: Closed): void {
    const { bytes, samples, watermark, synced, era } = closed;
    const overload: Overload | undefined = this.#overload;
    this.#overload = undefined;
    this.#pending++;
    if (samples > 0) this.#remember({ samples, t0: closed.t0, t1: closed.t1, watermark, era, counted: 0 });
    if (overload !== undefined) this.#remember({ ...overload, watermark, era, counted: overload.samples });
    this.#toldWatermark = watermark;
    this.#toldAtMs = this.#o.clock.monoMs();
    const message = { type: "batches", bytes, samples, watermark, synced, era } as const;
    this.#o.post(overload === undefined ? message : { ...message, overload }, [bytes.buffer]);
  }

  #remember(posted: Undurable): void {
    this.#undurable.push(posted);
    if (this.#undurable.length <= MAX_UNDURABLE) return;
    const [one, other] = this.#undurable.splice(0, 2) as [Undurable, Undurable];
    this.#undurable.unshift({
      ...joined(one, other),
      watermark: other.watermark,
      era: other.era,
      counted: one.counted + other.counted,
    });
  }

  #drop(samples: number, t0: number, t1: number): void {
    this.#dropped += samples;
    const lost = { samples, t0, t1 };
    this.#overload = this.#overload === undefined ? lost : joined(this.#overload, lost);
  }
}

function joined(one: Overload, other: Overload): Overload {
  return {
    samples: one.samples + other.samples,
    t0: Math.min(one.t0, other.t0),
    t1: Math.max(one.t1, other.t1),
  };
}
