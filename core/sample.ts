/** DESIGN §2: a sample is (asset, signal, time, value, quality); here (asset, signal) is one number of the signal table. */
export const GOOD = 0;
export const STALE = 1;
export const BAD = 2;
export type Quality = typeof GOOD | typeof STALE | typeof BAD;

/** By quality: one letter in records, the word in status. */
export const QUALITY_LETTERS = ["g", "s", "b"] as const;
export const QUALITY_WORDS = ["good", "stale", "bad"] as const;

/** Enumerations travel as text, integers beyond 2^53 as decimal strings, null is bad without a value. */
export type Value = number | string | boolean | null;

/**
 * What one read yields (one Modbus reply, one CAN frame): samples of one asset taken at one time.
 * The three arrays are parallel and never changed after they were handed over.
 */
export interface Batch {
  /** Microseconds since 1970 on the gateway's time base (Clock), at the source. */
  readonly tUs: number;
  /** Signal numbers (SignalTable), all of one asset. */
  readonly numbers: readonly number[];
  readonly values: readonly Value[];
  readonly quality: readonly Quality[];
}
