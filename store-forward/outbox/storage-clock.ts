/** The gateway's time on the storage thread: the system clock, moved to where the field thread says that now is. */
import { performance } from "node:perf_hooks";
import type { Clock } from "../../core/clock.ts";
import type { StoreClock } from "./options.ts";

/** The watermark is a little behind the present; only more than that is another time base (an unset system clock). */
const FOLLOW_MS = 5000;
/** By so much a watermark may be behind. */
const SLACK_MS = 1000;
/** Remembered; ages over more of them are told by wall time. */
const MAX_JUMPS = 100;

export class StorageClock implements Clock, StoreClock {
  synced: boolean;
  /** While the clock is not true: our wall time minus monotonic time. Whatever sets the system clock does not move it. */
  #baseMs: number;
  /** Afterwards: our wall time minus the system's. */
  #offsetMs = 0;
  #era = 0;
  readonly #startMs: number;
  /** Our wall time minus monotonic time, as the field thread last told. */
  #knownMs: number;
  /** Oldest first: from which wall time to which. */
  readonly #jumps: { readonly fromMs: number; readonly toMs: number }[] = [];

  /** `aheadMs`: how far the field thread's time is ahead of the system clock. */
  constructor(synced: boolean, aheadMs = 0) {
    this.synced = synced;
    this.#baseMs = Date.now() + aheadMs - performance.now();
    this.#startMs = Date.now() + aheadMs;
    this.#knownMs = this.#baseMs;
  }

  /**
   * The field thread's present, in milliseconds since 1970, is about `watermarkMs`; 0: it has told none yet. `era`: how
   * often its clock has jumped.
   */
  follow(watermarkMs: number, synced: boolean, era = 0): void {
    const fromMs = this.#knownMs + performance.now();
    this.#move(watermarkMs, synced);
    const toMs = this.wallMs();
    this.#knownMs = toMs - performance.now();
    if (era !== this.#era && watermarkMs !== 0) {
      this.#era = era;
      this.#jumps.push({ fromMs, toMs });
      if (this.#jumps.length > MAX_JUMPS) this.#jumps.shift();
    }
  }

  /** A time that two stretches between jumps have in common, after a step back, is taken for the later one's. */
  ageMs(stampMs: number): number {
    const nowMs = this.wallMs();
    let aheadMs = 0;
    let endMs = nowMs;
    for (const { fromMs, toMs } of this.#jumps.toReversed()) {
      if (stampMs >= toMs - SLACK_MS && stampMs <= endMs) return Math.max(0, nowMs - stampMs - aheadMs);
      aheadMs += toMs - fromMs;
      endMs = fromMs;
    }
    // What an earlier start has left knows nothing of our jumps.
    return Math.max(0, nowMs - stampMs - (stampMs < this.#startMs ? 0 : aheadMs));
  }

  #move(watermarkMs: number, synced: boolean): void {
    this.synced = synced;
    if (watermarkMs === 0) return;
    if (synced) {
      const offsetMs = watermarkMs - Date.now();
      this.#offsetMs = Math.abs(offsetMs) > FOLLOW_MS ? offsetMs : 0;
    } else if (Math.abs(watermarkMs - this.wallMs()) > FOLLOW_MS) this.#baseMs = watermarkMs - performance.now();
  }

  monoMs(): number {
    return performance.now();
  }
  wallMs(): number {
    return Math.floor(this.synced ? Date.now() + this.#offsetMs : this.#baseMs + performance.now());
  }
  wallUs(): number {
    return this.wallMs() * 1000;
  }
  fromSystemUs(systemUs: number): number {
    return systemUs + (this.wallMs() - Date.now()) * 1000;
  }
}
