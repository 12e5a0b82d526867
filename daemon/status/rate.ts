/** A token bucket on the monotonic clock: at most `perSecond`, with as many at once after a quiet second. */
export class Rate {
  readonly #perSecond: number;
  #tokens: number;
  #lastMs = Number.NEGATIVE_INFINITY;
  /** What was not allowed since the last `takeDropped`. */
  #dropped = 0;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
  }

  allow(monoMs: number): boolean {
    const refill = ((monoMs - this.#lastMs) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + refill);
    this.#lastMs = monoMs;
    if (this.#tokens < 1) {
      this.#dropped++;
      return false;
    }
    this.#tokens--;
    return true;
  }

  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }
}
