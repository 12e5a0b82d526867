import type { Clock } from "../../core/clock.ts";
import type { Batch } from "../../core/sample.ts";
import type { SignalTable } from "../../core/signals.ts";
import { Collector } from "./collect.ts";
import { LatestValues } from "./latest.ts";

/** What a sample has to wait for before it counts as seen: a late kernel stamp, a busy event loop. */
const SETTLE_US = 100_000;

export interface PipelineOptions {
  readonly table: SignalTable;
  readonly clock: Clock;
  /** The fast path: before anything else happens to a batch. */
  readonly send: (batch: Batch) => void;
  /** The hand-off to storage. */
  readonly store: (batch: Batch) => void;
}

/** The way of one batch through the field thread (DESIGN §1): datagram, latest values, collection, hand-off. */
export class Pipeline {
  readonly latest: LatestValues;
  readonly #collector: Collector;
  readonly #clock: Clock;
  readonly #send: (batch: Batch) => void;
  readonly #store: (batch: Batch) => void;
  #lastTickUs = 0;

  constructor(options: PipelineOptions) {
    this.latest = new LatestValues(options.table.signals);
    this.#collector = new Collector(options.table.signals);
    this.#clock = options.clock;
    this.#send = options.send;
    this.#store = options.store;
  }

  take(batch: Batch): void {
    this.#send(batch);
    this.latest.update(batch, this.#clock.monoMs());
    const kept = this.#collector.take(batch);
    if (kept !== undefined) this.#store(kept);
  }

  /**
   * Emits what only time brings: stale samples, and changes held back. Returns the watermark for the hand-off: every
   * sample with a time up to it (milliseconds) has been handed over. It trails by one tick, so that whatever had
   * arrived by then was read in between.
   */
  tick(): number {
    const nowUs = this.#clock.wallUs();
    const stale = this.latest.goneStale(this.#clock.monoMs());
    // A held change is the value that goes stale: it is told as good first.
    for (const batch of this.#collector.sweep(nowUs, stale.length > 0)) this.#store(batch);
    for (const batch of stale) this.take(batch);
    const settledUs = Math.min(this.#lastTickUs - SETTLE_US, this.#collector.oldestPendingUs() - 1);
    this.#lastTickUs = nowUs;
    return Math.max(0, Math.floor(settledUs / 1000));
  }

  /** Samples handed over were lost: an unchanged value must not stay untold until its next change. */
  storeLost(): void {
    this.#collector.forget();
  }

  /** The clock has just jumped by so much. Returns the watermark of `tick` on the new time base. */
  rebase(byUs: number): number {
    this.latest.rebase(byUs);
    this.#collector.rebase(byUs);
    this.#lastTickUs = Math.max(0, this.#lastTickUs + byUs);
    return Math.max(0, Math.floor((this.#lastTickUs - SETTLE_US) / 1000));
  }

  /** After the last source has stopped, and before a jump of the clock: hands over everything. The watermark is now. */
  finish(): number {
    const nowUs = this.#clock.wallUs();
    for (const batch of this.#collector.sweep(nowUs, true)) this.#store(batch);
    return Math.floor(nowUs / 1000);
  }
}
