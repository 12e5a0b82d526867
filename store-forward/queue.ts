/** What the uplink needs of the outbox: the border between the two, so that each is tested without the other. */
import type { RecordKind, Stream } from "../core/record.ts";

export interface SealedRecord {
  readonly epoch: string;
  readonly stream: Stream;
  readonly seq: number;
  readonly kind: RecordKind;
  readonly asset?: string;
  /** Milliseconds since 1970 at which the record was sealed. */
  readonly sealedMs: number;
  /** The record's plain JSON: the same bytes at every call, in every process. Until `spent` was called for it. */
  readonly plain: Buffer;
}

/** Position in one stream of one epoch; positions of an older epoch come before those of a newer one. */
export interface Position {
  readonly epoch: string;
  readonly seq: number;
}

export interface RecordQueue {
  /**
   * Sealed, durable records of a stream in order, from the first after `after` (undefined: the first that is not
   * acknowledged): at most `limit`. Records that `ack` was called for may come again only after a restart.
   */
  read(stream: Stream, after: Position | undefined, limit: number): SealedRecord[];
  /** The bytes of these records, which one `read` gave, are not needed any more: their memory may serve again. */
  spent?(records: readonly SealedRecord[]): void;
  /** The server has this record. Any order; memory only, made durable with a later commit. */
  ack(stream: Stream, at: Position): void;
  /** Every birth payload that a stored record names, oldest first, the current one last. */
  births(): Uint8Array[];
  /** Called (on the same thread) whenever `read` may have something new. */
  onSealed: (() => void) | undefined;
}
