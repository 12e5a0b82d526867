/** What crosses between the field thread and the storage thread, and what storage tells of itself. Types only. */
import type { LogEntry } from "../core/log.ts";
import type { Stream } from "../core/record.ts";
import type { StoreConfig, UplinkConfig } from "./config.ts";

/** `workerData` of store-forward/thread.ts. */
export interface StorageInit {
  readonly gateway: string;
  readonly software: string;
  /** The current birth payload (SignalTable.birth) and its id. */
  readonly birth: Uint8Array;
  readonly birthId: string;
  readonly store: StoreConfig;
  readonly uplink: UplinkConfig;
  /** Wall time is known to be true at start. */
  readonly synced: boolean;
  /** How far the gateway's wall time is ahead of the system clock (milliseconds); undefined: it is the system clock. */
  readonly aheadMs?: number;
}

/** Samples lost on the field thread because the hand-off was full (milliseconds since 1970). */
export interface Overload {
  readonly samples: number;
  readonly t0: number;
  readonly t1: number;
}

export type ToStorage =
  /** Packed batches (core/pack-format.ts), transferred. Answered by `taken`, several at a time. */
  | {
      readonly type: "batches";
      readonly bytes: Uint8Array<ArrayBuffer>;
      readonly samples: number;
      /** Every sample with a time up to this (milliseconds) is in this or an earlier hand-off. */
      readonly watermark: number;
      /** The wall clock was known to be true for all of these samples. */
      readonly synced: boolean;
      /** Jumps of the gateway's clock before these samples (undefined: none): storage seals what it has at each. */
      readonly era?: number;
      readonly overload?: Overload;
    }
  /** A critical record without seq: `body` is its last member as JSON text, such as `"event":{…}`. */
  | {
      readonly type: "critical";
      readonly kind: "event" | "session" | "time" | "gap";
      readonly asset?: string;
      readonly t0: number;
      readonly body: string;
      /** `t0` is true; undefined: as with the samples handed over last. */
      readonly synced?: boolean;
    }
  /** Commit what is there, seal it, send while the uplink takes it (at most `drainMs`), say offline, close. */
  | { readonly type: "stop"; readonly drainMs: number };

export type FromStorage =
  /** The outbox is open, or known not to open: either way hand-offs are taken from now on. */
  | { readonly type: "ready"; readonly boot: number; readonly epoch: string }
  /** So many hand-offs more are in memory: told at least with each report. */
  | { readonly type: "taken"; readonly count: number }
  | { readonly type: "stopped" };

/** On the port to the status thread: at least once a second, and on change of state. */
export type StorageReport =
  | {
      readonly type: "store";
      /** The gateway's wall time at the report, milliseconds since 1970; undefined: as the system's. */
      readonly ts?: number;
      readonly outbox: OutboxStatus;
      readonly uplink: UplinkStatus;
    }
  | { readonly type: "log"; readonly entry: LogEntry };

export interface OutboxStatus {
  readonly state: "ok" | "unwritable";
  readonly error?: string;
  readonly epoch: string;
  readonly boot: number;
  /** Milliseconds since 1970: every sample of this boot with a time up to it is on disk. */
  readonly durable_until: number;
  /** Jumps of the gateway's clock that it knows of (store-forward/outbox/watermark.ts); undefined: none. */
  readonly clock_jumps?: number;
  readonly streams: Readonly<Record<Stream, { readonly next: number; readonly acked: number }>>;
  /** Sealed records that the cloud has not acknowledged. */
  readonly waiting: number;
  /** Database, WAL and shared memory. */
  readonly bytes: number;
  readonly max_bytes: number;
  readonly oldest_age_s: number;
  /** Bytes that the whole process wrote to disks this day (UTC); missing where the system does not tell. */
  readonly written_today_bytes?: number;
  /** `store.daily_writes`, if there is one. */
  readonly daily_writes_bytes?: number;
  /** The budget makes samples wait that long for their commit; missing while it is the configured interval. */
  readonly stretched_commit_interval_ms?: number;
  /** A file that was set aside is being looked through: what came over so far. */
  readonly salvage?: { readonly file: string; readonly records: number };
  /** What is stored is being given new numbers: the cloud holds records of our epoch that this file never sent. */
  readonly renewing?: true;
  /** Samples dropped, by the reason that their gap record tells. */
  readonly drops: Readonly<Record<"full" | "overload" | "corrupt" | "rejected" | "expired", number>>;
}

export interface UplinkStatus {
  readonly state: "connecting" | "up" | "down" | "refused" | "stalled";
  readonly url: string;
  readonly protocol?: "5" | "3.1.1";
  /** Milliseconds since 1970 of the last change of state. */
  readonly since: number;
  readonly error?: string;
  readonly warning?: string;
  readonly conn: number;
  readonly inflight: number;
  readonly window: number;
  readonly oldest_unacked_s: number;
  readonly records_acked: number;
  readonly bytes_sent: number;
  /** A backlog stands: `now/<asset>` is being published. */
  readonly backlog: boolean;
  /** Bytes published in this calendar month (UTC), over restarts. */
  readonly traffic?: { readonly month: string; readonly bytes: number };
  /** Receipts of the cloud; ignored: no receipt, or of another epoch. */
  readonly receipts?: { readonly taken: number; readonly ignored: number };
}
