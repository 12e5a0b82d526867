/**
 * `durable_until`: every sample of this boot with a time up to it is on disk.
 *
 * The rule. Each hand-off carries a watermark, which is reached when nothing handed over is left uncommitted. Times of
 * one era (stretch of the field thread's clock without a jump) only grow, so within it the newest watermark wins. With
 * a hand-off of a new era, what was claimed is cut to what the new era leaves true: below its watermark and below its
 * own samples, for after a step back new samples repeat times that were claimed. What was told before a step back
 * speaks of the samples taken before it. The claim grows again when the new era's watermark is on disk, which everything
 * of earlier eras, whatever its times, is then too: hand-offs are committed in order.
 */
export interface HandedOverUntil {
  /** Milliseconds since 1970. */
  readonly watermark: number;
  /** Jumps of the clock before it; undefined: none. */
  readonly era?: number | undefined;
}

export class Watermark {
  #era = 0;
  #handedOver = 0;
  #durableEra = 0;
  #durableUntil = 0;

  /** The era of what was handed over last. */
  get era(): number {
    return this.#era;
  }
  /** Milliseconds since 1970; 0: nothing yet. */
  get durableUntil(): number {
    return this.#durableUntil;
  }
  /** Everything of the eras before this one is on disk. */
  get durableEra(): number {
    return this.#durableEra;
  }

  /** `earliestMs`: the time of the hand-off's oldest sample, Infinity without samples. */
  take({ watermark, era = 0 }: HandedOverUntil, earliestMs: number): void {
    if (era === this.#era) {
      this.#handedOver = Math.max(this.#handedOver, watermark);
      return;
    }
    this.#era = era;
    this.#handedOver = watermark;
    this.#durableUntil = Math.min(this.#durableUntil, watermark, earliestMs - 1);
  }

  /** Everything that was taken is on disk. */
  committed(): void {
    this.#durableEra = this.#era;
    this.#durableUntil = this.#handedOver;
  }
}
