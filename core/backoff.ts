export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  readonly factor?: number;
  /** 0 ≤ random() < 1 */
  readonly random?: () => number;
}

/**
 * Endless delays in milliseconds for `for (const delay of backoff(...))`: exponential up to `maxMs`, each drawn from
 * the upper half of its step, so that a fleet that lost its broker does not come back in one wave.
 */
export function* backoff(options: BackoffOptions): Generator<number, never, void> {
  const { firstMs, maxMs, factor = 2, random = Math.random } = options;
  for (let step = firstMs; ; step = Math.min(step * factor, maxMs)) yield step * (0.5 + random() / 2);
}
