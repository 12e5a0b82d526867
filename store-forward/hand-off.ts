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
 */
import type { Clock } from "../core/clock.ts";
import { PackWriter } from "../core/pack.ts";
import type { Batch } from "../core/sample.ts";
import type { Overload, ToStorage } from "./protocol.ts";

/** Without samples the watermark alone is told this often. */
const IDLE_MS = 500;

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
}

export class HandOff {
  readonly #o: HandOffOptions;
  readonly #writer: PackWriter;
  readonly #waiting: Closed[] = [];
  #overload: { samples: number; t0: number; t1: number } | undefined;
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
    if (this.#pending > 0 || this.#watermark === this.#toldWatermark) return;
    const nowMs = this.#o.clock.monoMs();
    if (nowMs - this.#toldAtMs >= IDLE_MS || this.#overload !== undefined) this.#post(this.#closed(0));
  }

  /** The end: like `flush`, and whatever waits goes too, for nobody will answer any more. */
  finish(watermarkMs: number): void {
    this.flush(watermarkMs);
    this.#close();
    for (const closed of this.#waiting.splice(0)) this.#post(closed);
  }

  /** One hand-off was answered with `taken`. */
  taken(): void {
    if (this.#pending > 0) this.#pending--;
    this.#pump();
  }

  /** The storage thread was started anew: what it had not answered will never be. */
  restarted(): void {
    this.#pending = 0;
    this.#pump();
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
    return { bytes, samples, t0: this.#t0, t1: this.#t1, watermark: this.#watermark, synced: this.#synced };
  }

  #pump(): void {
    while (this.#pending < this.#o.maxPending) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#post(next);
    }
  }

  #post({ bytes, samples, watermark, synced }: Closed): void {
    const overload: Overload | undefined = this.#overload;
    this.#overload = undefined;
    this.#pending++;
    this.#toldWatermark = watermark;
    this.#toldAtMs = this.#o.clock.monoMs();
    const message = { type: "batches", bytes, samples, watermark, synced } as const;
    this.#o.post(overload === undefined ? message : { ...message, overload }, [bytes.buffer]);
  }

  #drop(samples: number, t0: number, t1: number): void {
    this.#dropped += samples;
    const overload = this.#overload;
    if (overload === undefined) {
      this.#overload = { samples, t0, t1 };
      return;
    }
    overload.samples += samples;
    overload.t0 = Math.min(overload.t0, t0);
    overload.t1 = Math.max(overload.t1, t1);
  }
}
