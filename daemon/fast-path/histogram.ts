const LEAST_US = 1;
/** Each bucket is one percent wider than the one before: 1 µs to 1,000 s in 2,083 buckets. */
const RATIO = 1.01;
const MOST_US = 1e9;
const BUCKETS = Math.ceil(Math.log(MOST_US / LEAST_US) / Math.log(RATIO)) + 1;
const SCALE = 1 / Math.log(RATIO);

/** Percentiles to one percent in constant memory, however long one listens. Times in microseconds. */
export class LatencyHistogram {
  count = 0;
  maxUs = Number.NEGATIVE_INFINITY;
  readonly #buckets = new Float64Array(BUCKETS);

  /** Clocks of two machines may make it negative: that counts as the smallest. */
  add(us: number): void {
    this.count++;
    if (us > this.maxUs) this.maxUs = us;
    const bucket = us <= LEAST_US ? 0 : Math.min(BUCKETS - 1, Math.ceil(Math.log(us / LEAST_US) * SCALE));
    this.#buckets[bucket] = (this.#buckets[bucket] as number) + 1;
  }

  /** The time that a fraction `p` (0 to 1) of all did not exceed, NaN for none. */
  percentileUs(p: number): number {
    if (this.count === 0) return Number.NaN;
    const rank = Math.max(1, Math.ceil(p * this.count));
    let below = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      below += this.#buckets[bucket] as number;
      if (below >= rank) return Math.min(LEAST_US * RATIO ** bucket, this.maxUs);
    }
    return this.maxUs;
  }
}
