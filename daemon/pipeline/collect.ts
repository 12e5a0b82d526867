import { type Batch, GOOD, type Quality, STALE, type Value } from "../../core/sample.ts";
import type { SignalEntry } from "../../core/signals.ts";

/** A signal sampled a little early (a frame's jitter) is not held back for a whole further interval. */
const EARLY = 0.95;
/** A change that came too early and was not followed by another frame is kept after this many intervals. */
const TRAILING = 1.5;

interface Kept {
  minUs: number;
  maxUs: number;
  value: Value;
  quality: Quality;
  /** Sample time of the last kept sample, microseconds; -Infinity before the first. */
  lastUs: number;
  pending: boolean;
  pendingValue: Value;
  pendingQuality: Quality;
  pendingUs: number;
}

/**
 * Which samples are kept (DESIGN §4): every one, or on change, at most once per `minMs`, at least once per `maxMs` while
 * the signal is being received. A change within `minMs` is held; when no later one replaces it, it is kept by `sweep`.
 */
export class Collector {
  /** By signal number; undefined: every sample is kept. */
  readonly #rules: (Kept | undefined)[] = [undefined];
  readonly #pending = new Set<number>();

  constructor(signals: readonly SignalEntry[]) {
    for (const { collect } of signals) this.#rules.push(collect === "every" ? undefined : newRule(collect));
  }

  /** The part of the batch that is kept: the batch itself, a smaller one, or undefined for nothing. */
  take(batch: Batch): Batch | undefined {
    const { numbers, values, quality, tUs } = batch;
    if (!this.#isRuled(numbers)) return batch;
    let kept = 0;
    const keep: boolean[] = [];
    for (let i = 0; i < numbers.length; i++) {
      const chosen = this.#decide(numbers[i] as number, values[i] as Value, quality[i] as Quality, tUs);
      keep.push(chosen);
      if (chosen) kept++;
    }
    if (kept === 0) return undefined;
    if (kept === numbers.length) return batch;
    const chosen = (_: unknown, i: number): boolean => keep[i] === true;
    return { tUs, numbers: numbers.filter(chosen), values: values.filter(chosen), quality: quality.filter(chosen) };
  }

  /** Held changes whose time has come, as batches; `nowUs` on the samples' time base. `all`: every one, before a stop. */
  sweep(nowUs: number, all = false): Batch[] {
    const batches: { tUs: number; numbers: number[]; values: Value[]; quality: Quality[] }[] = [];
    for (const n of this.#pending) {
      const rule = this.#rules[n] as Kept;
      if (!all && nowUs - rule.lastUs < rule.minUs * TRAILING) continue;
      let batch = batches.at(-1);
      if (batch?.tUs !== rule.pendingUs) {
        batch = { tUs: rule.pendingUs, numbers: [], values: [], quality: [] };
        batches.push(batch);
      }
      batch.numbers.push(n);
      batch.values.push(rule.pendingValue);
      batch.quality.push(rule.pendingQuality);
      this.#keep(n, rule, rule.pendingValue, rule.pendingQuality, rule.pendingUs);
    }
    return batches;
  }

  /** What was kept may be lost: nobody can be taken to know any value, so the next of each signal is kept again. */
  forget(): void {
    for (const rule of this.#rules) if (rule !== undefined) rule.lastUs = Number.NEGATIVE_INFINITY;
  }

  /** The clock jumped by so much: intervals go on as if it had not. */
  rebase(byUs: number): void {
    for (const rule of this.#rules) {
      if (rule === undefined) continue;
      rule.lastUs += byUs;
      rule.pendingUs += byUs;
    }
  }

  /** Time of the oldest change that is held back (microseconds), or Infinity: nothing later than it is final yet. */
  oldestPendingUs(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const n of this.#pending) oldest = Math.min(oldest, (this.#rules[n] as Kept).pendingUs);
    return oldest;
  }

  #isRuled(numbers: readonly number[]): boolean {
    for (let i = 0; i < numbers.length; i++) if (this.#rules[numbers[i] as number] !== undefined) return true;
    return false;
  }

  #decide(n: number, value: Value, quality: Quality, tUs: number): boolean {
    const rule = this.#rules[n];
    if (rule === undefined) return true;
    const sinceUs = tUs - rule.lastUs;
    const changed = value !== rule.value || quality !== rule.quality;
    const due = changed ? sinceUs >= rule.minUs * EARLY : sinceUs >= rule.maxUs * EARLY;
    // Staleness is told at once, and a clock that stepped back must not silence a signal.
    if (due || quality === STALE || sinceUs < -rule.maxUs) {
      this.#keep(n, rule, value, quality, tUs);
      return true;
    }
    if (changed) this.#hold(n, rule, value, quality, tUs);
    else if (rule.pending) this.#release(n, rule);
    return false;
  }

  #keep(n: number, rule: Kept, value: Value, quality: Quality, tUs: number): void {
    rule.value = value;
    rule.quality = quality;
    rule.lastUs = tUs;
    if (rule.pending) this.#release(n, rule);
  }

  #hold(n: number, rule: Kept, value: Value, quality: Quality, tUs: number): void {
    rule.pendingValue = value;
    rule.pendingQuality = quality;
    rule.pendingUs = tUs;
    if (rule.pending) return;
    rule.pending = true;
    this.#pending.add(n);
  }

  #release(n: number, rule: Kept): void {
    rule.pending = false;
    this.#pending.delete(n);
  }
}

function newRule(rule: { readonly minMs: number; readonly maxMs: number }): Kept {
  return {
    minUs: rule.minMs * 1000,
    maxUs: rule.maxMs * 1000,
    value: null,
    quality: GOOD,
    lastUs: Number.NEGATIVE_INFINITY,
    pending: false,
    pendingValue: null,
    pendingQuality: GOOD,
    pendingUs: 0,
  };
}
