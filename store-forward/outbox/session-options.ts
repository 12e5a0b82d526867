import type { Logger } from "../../core/log.ts";
import type { OutboxStatus } from "../protocol.ts";
import type { Beginning } from "./identity.ts";
import type { LostRecords } from "./reader.ts";
import type { Budget } from "./retention.ts";
import type { Store } from "./store.ts";
import type { CommitInput, CommitResult } from "./transaction.ts";

export interface SessionOptions {
  readonly store: Store;
  readonly path: string;
  readonly gateway: string;
  readonly birth: Uint8Array;
  readonly birthId: string;
  readonly budget: Budget;
  /** There is space in reserve: the file may grow. */
  readonly ballastHeld: () => boolean;
  readonly onLost: (lost: LostRecords) => void;
  readonly log: Logger;
  readonly expireAfterMs?: number;
}

/** What a commit did, in samples: dropped to make room, expired, of signals that no birth names. */
export interface Committed extends Pick<CommitResult, "dropped" | "expired" | "unknown"> {
  /** Records are there to be read that were not before. */
  readonly sealed: boolean;
}

export type BeginOptions = SessionOptions & Beginning & { readonly synced: boolean };

/** What one commit is given from outside. */
export type Work = CommitInput["work"];

/** For the status. */
export interface Summary extends Pick<OutboxStatus, "streams" | "waiting" | "salvage"> {
  readonly oldestAgeS: number;
  readonly renewing: boolean;
}
