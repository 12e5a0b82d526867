/** What the supervisor runs: one driver is one source (a serial line, a TCP connection, a CAN interface). */
import type { Clock } from "../core/clock.ts";
import type { BusbarError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { Batch } from "../core/sample.ts";
import type { AssetSpec } from "../core/signals.ts";

/** Frames that were on the bus and that nobody can read any more. */
export interface Loss {
  readonly frames: number;
  /** They came between these two, in milliseconds of the monotonic clock. */
  readonly fromMs: number;
  readonly toMs: number;
  /** What lost them, and the remedy. */
  readonly why: string;
}

export interface DriverContext {
  readonly clock: Clock;
  readonly log: Logger;
  /** The signal table's number of (asset, signal). Throws BusbarError INTERNAL for one that the driver did not declare. */
  number(asset: string, signal: string): number;
  /** Takes a batch over: it goes out as a datagram before this returns. */
  emit(batch: Batch): void;
  /** A device answered as it should (undefined), or why not. Called after every attempt; repeats cost nothing. */
  report(asset: string, error: BusbarError | undefined): void;
  /** To be called as soon as it is known: it is counted at once, and told without flooding anybody. */
  lost(loss: Loss): void;
}

/** What whoever installs it must know, though nothing is wrong. */
export interface Hazard {
  readonly asset: string;
  /** What it is, and what to do. */
  readonly message: string;
}

export interface Driver {
  readonly id: string;
  /** `modbus tcp 10.0.0.5:502`, `can socketcan:can0`: what messages call it. */
  readonly label: string;
  /** Every asset and signal that `run` can emit. */
  readonly assets: readonly AssetSpec[];
  readonly hazards: readonly Hazard[];
  /**
   * Opens the bus and reads it until `signal` aborts, then frees it and resolves. One device that does not answer is
   * reported, not thrown. Rejects with a retryable BusbarError when the bus itself is missing or lost: the supervisor
   * calls `run` again, with backoff.
   */
  run(context: DriverContext, signal: AbortSignal): Promise<void>;
}
