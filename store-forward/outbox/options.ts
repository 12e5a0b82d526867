import type { Logger } from "../../core/log.ts";
import type { DiskWrites } from "./disk-writes.ts";
import type { Budget } from "./retention.ts";

export interface OutboxOptions {
  readonly path: string;
  readonly gateway: string;
  readonly birth: Uint8Array;
  readonly birthId: string;
  readonly budget: Budget;
  readonly publishIntervalMs: number;
  /** Age at which telemetry and bulk records are dropped; undefined: never. */
  readonly expireAfterMs?: number;
  /** Wall time is known to be true at start. */
  readonly synced: boolean;
  readonly clock: StoreClock;
  readonly log: Logger;
  /** Counts what is written to disk; what it knows of the day is kept over starts. */
  readonly writes?: DiskWrites;
  /** Hash of what identifies this board (hardware.ts). */
  readonly hardware: string;
}

export interface StoreClock {
  monoMs(): number;
  /** Milliseconds since 1970, integer. */
  wallMs(): number;
  /** As Clock's. */
  ageMs?(stampMs: number): number;
}

export interface CommitOptions {
  /** Seal what is there, whatever its age. */
  readonly seal?: boolean;
  /** The gateway stops: also tell gaps that might have grown, and do not wait to try again. */
  readonly final?: boolean;
}
