/** When a device's poll groups are due, on the monotonic clock. Pure. */
import { backoff } from "../../core/backoff.ts";
import type { PollGroup } from "./profile.ts";

export interface ScheduleOptions {
  readonly startMs: number;
  /** First delay after a failure; it doubles up to 30 s. */
  readonly firstDelayMs: number;
  readonly random?: () => number;
}

interface Timed {
  readonly group: PollGroup;
  /** On a grid from the start: delays of one poll never shift the next. */
  tickMs: number;
  retryMs: number;
  /** It was asked less often on purpose: turns missed meanwhile are missed by design. */
  excused: boolean;
}

const MAX_DELAY_MS = 30_000;

/** Groups keep their grid; a device that fails is asked less and less often, and what failed is asked again early. */
export class PollSchedule {
  readonly #timed: readonly Timed[];
  readonly #options: ScheduleOptions;
  #delays: Generator<number, never, void> | undefined;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #skippedPolls = 0;
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(groups: readonly PollGroup[], options: ScheduleOptions) {
    this.#options = options;
    this.#timed = groups.map((group) => ({
      group,
      tickMs: options.startMs,
      retryMs: Number.POSITIVE_INFINITY,
      excused: false,
    }));
    this.#settle();
  }

  /** Polls that were left out because the line was too slow for all that is asked of it. */
  get skippedPolls(): number {
    return this.#skippedPolls;
  }

  get dueMs(): number {
    return this.#dueMs;
  }

  /** The group that is due first, whose next turn is set; undefined without groups. */
  start(nowMs: number): PollGroup | undefined {
    let timed = this.#timed[0];
    if (timed === undefined) return undefined;
    for (const other of this.#timed) if (dueMsOf(other) < dueMsOf(timed)) timed = other;
    timed.retryMs = Number.POSITIVE_INFINITY;
    if (timed.tickMs <= nowMs) {
      const missed = Math.floor((nowMs - timed.tickMs) / timed.group.intervalMs);
      timed.tickMs += (missed + 1) * timed.group.intervalMs;
      if (!timed.excused) this.#skippedPolls += missed;
    }
    timed.excused = false;
    this.#settle();
    return timed.group;
  }

  answered(): void {
    if (this.#delays === undefined) return;
    this.#delays = undefined;
    this.#notBeforeMs = Number.NEGATIVE_INFINITY;
    this.#settle();
  }

  failed(group: PollGroup, nowMs: number): void {
    const { firstDelayMs, random } = this.#options;
    this.#delays ??= backoff({
      firstMs: firstDelayMs,
      maxMs: MAX_DELAY_MS,
      ...(random === undefined ? {} : { random }),
    });
    this.#notBeforeMs = nowMs + this.#delays.next().value;
    this.#excuse(group, this.#notBeforeMs);
  }

  /** The group, or a part of it, could not be asked yet, which is nobody's failure. */
  again(group: PollGroup, atMs: number): void {
    this.#excuse(group, atMs);
  }

  #excuse(group: PollGroup, retryMs: number): void {
    for (const timed of this.#timed) {
      timed.excused = true;
      if (timed.group === group) timed.retryMs = retryMs;
    }
    this.#settle();
  }

  #settle(): void {
    let firstMs = Number.POSITIVE_INFINITY;
    for (const timed of this.#timed) firstMs = Math.min(firstMs, dueMsOf(timed));
    this.#dueMs = Math.max(this.#notBeforeMs, firstMs);
  }
}

function dueMsOf(timed: Timed): number {
  return Math.min(timed.tickMs, timed.retryMs);
}
