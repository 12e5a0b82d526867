import { type Batch, GOOD, type Quality, STALE, type Value } from "../../core/sample.ts";
import type { SignalEntry } from "../../core/signals.ts";

/** The last word on one signal. */
interface Last {
  readonly n: number;
  readonly asset: string;
  readonly maxAgeMs: number;
  value: Value;
  quality: Quality;
  tUs: number;
  /** Monotonic milliseconds of the last successful read. */
  goodMs: number;
  /** A good value is held that has not been called stale yet. */
  fresh: boolean;
  changed: boolean;
}

/** The last value of every signal: what status shows, and where staleness is seen (DESIGN invariant 6). */
export class LatestValues {
  readonly #last: Last[] = [];
  readonly #changed: Last[] = [];
  /** Monotonic milliseconds before which nothing can go stale: until then no signal is looked at. */
  #nextStaleMs = Number.POSITIVE_INFINITY;

  constructor(signals: readonly SignalEntry[]) {
    for (const { n, asset, maxAgeMs } of signals) {
      this.#last.push({
        n,
        asset,
        maxAgeMs,
        value: null,
        quality: GOOD,
        tUs: 0,
        goodMs: 0,
        fresh: false,
        changed: false,
      });
    }
  }

  update(batch: Batch, monoMs: number): void {
    const { numbers, values, quality, tUs } = batch;
    for (let i = 0; i < numbers.length; i++) {
      const last = this.#last[(numbers[i] as number) - 1];
      if (last === undefined) continue;
      last.value = values[i] as Value;
      last.quality = quality[i] as Quality;
      last.tUs = tUs;
      last.fresh = last.quality === GOOD;
      if (last.fresh) {
        last.goodMs = monoMs;
        if (monoMs + last.maxAgeMs < this.#nextStaleMs) this.#nextStaleMs = monoMs + last.maxAgeMs;
      }
      if (!last.changed) {
        last.changed = true;
        this.#changed.push(last);
      }
    }
  }

  /**
   * One stale sample, with the last value and its own time, for each signal without a successful read for `maxAgeMs`;
   * nothing more until it recovers. Signals of one asset with one time share a batch.
   */
  goneStale(monoMs: number): Batch[] {
    const batches: { tUs: number; asset: string; numbers: number[]; values: Value[]; quality: Quality[] }[] = [];
    if (monoMs <= this.#nextStaleMs) return batches;
    this.#nextStaleMs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#last.length; i++) {
      const last = this.#last[i] as Last;
      if (!last.fresh) continue;
      const staleMs = last.goodMs + last.maxAgeMs;
      if (staleMs < this.#nextStaleMs) this.#nextStaleMs = staleMs;
      if (monoMs <= staleMs) continue;
      let batch = batches.at(-1);
      if (batch?.tUs !== last.tUs || batch.asset !== last.asset) {
        batch = { tUs: last.tUs, asset: last.asset, numbers: [], values: [], quality: [] };
        batches.push(batch);
      }
      batch.numbers.push(last.n);
      batch.values.push(last.value);
      batch.quality.push(STALE);
    }
    return batches;
  }

  /** The clock jumped by so much: the time of a value moves along, or a stale sample would tell another age. */
  rebase(byUs: number): void {
    for (const last of this.#last) if (last.tUs !== 0) last.tUs += byUs;
  }

  /** Whoever listens is new: every value that was ever read counts as changed. */
  tellAll(): void {
    for (const last of this.#last) {
      if (last.tUs === 0 || last.changed) continue;
      last.changed = true;
      this.#changed.push(last);
    }
  }

  /** What changed since the last call, as parallel arrays with times in milliseconds. */
  takeChanged(): { numbers: number[]; values: Value[]; quality: Quality[]; times: number[] } {
    const numbers: number[] = [];
    const values: Value[] = [];
    const quality: Quality[] = [];
    const times: number[] = [];
    for (let i = 0; i < this.#changed.length; i++) {
      const last = this.#changed[i] as Last;
      last.changed = false;
      numbers.push(last.n);
      values.push(last.value);
      quality.push(last.quality);
      times.push(Math.floor(last.tUs / 1000));
    }
    this.#changed.length = 0;
    return { numbers, values, quality, times };
  }
}
