/** Decimal rounding: raw x factor in binary floating point (3 x 0.1) is brought back to the decimal that was meant. */

/** Enough for 1e-7 degrees; more decimals than this are noise in every source we read. */
const MAX_DECIMALS = 12;

/** How many decimals a resolution has: 0.01 gives 2, 0.5 gives 1, 1 and 10 give 0. At most 12. */
export function decimals(resolution: number): number {
  for (let count = 0; count < MAX_DECIMALS; count++) {
    const scaled = resolution * 10 ** count;
    if (Math.abs(scaled - Math.round(scaled)) <= Math.abs(scaled) * 1e-9) return count;
  }
  return MAX_DECIMALS;
}

/**
 * `value` with that many decimals, as the double nearest to the decimal number (so JSON shows 230.1, never
 * 230.10000000000002). Never minus zero. What is too large to have such decimals, and NaN, comes back as it is.
 */
export function roundTo(value: number, decimals: number): number {
  const power = 10 ** decimals;
  const scaled = Math.round(value * power);
  return Number.isSafeInteger(scaled) ? scaled / power + 0 : value;
}
