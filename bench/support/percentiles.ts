export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** The value that a fraction `p` (0 to 1) does not exceed, by nearest rank; NaN of nothing. `sorted` ascends. */
export function percentile(sorted: ArrayLike<number>, p: number): number {
  if (sorted.length === 0) return Number.NaN;
  const rank = Math.min(sorted.length, Math.max(1, Math.ceil(p * sorted.length)));
  return sorted[rank - 1] as number;
}

export function spreadOf(values: ArrayLike<number>): Spread {
  const sorted = Float64Array.from(values).sort();
  const [p50, p99, p999, max] = [0.5, 0.99, 0.999, 1].map((p) => percentile(sorted, p)) as [
    number,
    number,
    number,
    number,
  ];
  return { count: sorted.length, p50, p99, p999, max };
}

export function median(values: readonly number[]): number {
  return percentile(Float64Array.from(values).sort(), 0.5);
}
