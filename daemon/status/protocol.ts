/** What the field thread tells the status thread, and the snapshot that page, CLI and topics show. Types only. */

import type { MessagePort } from "node:worker_threads";
import type { Quality, Value } from "../../core/sample.ts";
import type { AssetKind, SignalType } from "../../core/signals.ts";
import type { OutboxStatus, StorageReport, UplinkStatus } from "../../store-forward/protocol.ts";
import type { LocalConfig } from "../config.ts";

/**
 * `workerData` of daemon/status/thread.ts. Messages come on parentPort; storage's too where the field thread passes
 * them on, or on `storage` where the two threads have a port of their own.
 */
export interface StatusInit {
  readonly gateway: string;
  readonly software: string;
  readonly configFile: string;
  readonly local: LocalConfig;
  readonly fastPathTargets: readonly string[];
  /** signals[n - 1] is signal number n. */
  readonly signals: readonly StatusSignal[];
  readonly assets: readonly {
    readonly id: string;
    readonly kind: AssetKind;
    readonly source: string;
    readonly profile?: string;
  }[];
  readonly storage?: MessagePort;
  /** How log lines are written to stderr. */
  readonly logFormat: "text" | "json" | "none";
  /** The outbox's file: the filling of its volume is told. */
  readonly storePath?: string;
}

export interface StatusSignal {
  readonly asset: string;
  readonly name: string;
  readonly type: SignalType;
  readonly unit?: string;
}

export type ToStatus =
  /** Values that changed or were read since the last message; parallel arrays, times in milliseconds since 1970. */
  | {
      readonly type: "values";
      readonly numbers: readonly number[];
      readonly values: readonly Value[];
      readonly quality: readonly Quality[];
      readonly times: readonly number[];
    }
  | { readonly type: "sources"; readonly sources: readonly SourceStatus[]; readonly fastPath: FastPathStatus }
  | { readonly type: "event"; readonly event: Readonly<Record<string, unknown>> }
  /** The signal table as the fast path sends it (DESIGN §7), uncompressed. */
  | { readonly type: "signals"; readonly json: string }
  | StorageReport
  | { readonly type: "stop" };

export type FromStatus =
  /** Listening, or known not to: `problems` names what could not be opened and why. */
  | {
      readonly type: "ready";
      readonly problems: readonly string[];
      /** The ports that are open (the configured ones; others only where 0 was configured). */
      readonly mqttPort?: number;
      readonly httpPort?: number;
    }
  /** Somebody looks, or nobody does any more; at the start nobody does. */
  | { readonly type: "watched"; readonly watched: boolean }
  /** Its loop turns: once a second. */
  | { readonly type: "turned" }
  /** Samples of the gateway asset itself (host health), on the gateway's clock. */
  | { readonly type: "host"; readonly samples: readonly { readonly signal: string; readonly value: number }[] }
  | { readonly type: "stopped" };

export interface SourceStatus {
  readonly id: string;
  readonly label: string;
  readonly state: "starting" | "up" | "degraded" | "down";
  /** Milliseconds since 1970 of the last change of state. */
  readonly since: number;
  readonly restarts: number;
  readonly batches: number;
  /** Frames that were on the bus and lost before they could be read, since the start, as far as the system tells. */
  readonly lost: number;
  readonly error?: string;
  readonly devices: readonly { readonly asset: string; readonly ok: boolean; readonly error?: string }[];
}

export interface FastPathStatus {
  readonly targets: readonly string[];
  readonly datagrams: number;
  readonly errors: number;
  readonly error?: string;
}

export interface HostStatus {
  readonly cpu_percent: number | null;
  readonly memory_used_percent: number | null;
  readonly temperature_c: number | null;
  readonly disk_used_percent: number | null;
  readonly rss_mib: number;
  readonly uptime_s: number;
}

export interface AssetStatus {
  readonly kind: AssetKind;
  readonly source: string;
  readonly available: boolean;
  /** Milliseconds since 1970 of the newest value. */
  readonly ts: number;
  readonly values: Readonly<
    Record<string, { readonly v: Value; readonly u?: string; readonly q: string; readonly ts: number }>
  >;
}

/**
 * `failed`: data is being lost or somebody must act. `degraded`: heals by itself, nothing is lost (an uplink that is
 * down is kept by the outbox).
 */
export interface Health {
  readonly status: "ok" | "degraded" | "failed";
  readonly reasons: readonly string[];
}

/** One type for the page, `busbar status`, `npm start`'s table and the local topics. */
export interface Snapshot {
  readonly gateway: string;
  readonly software: string;
  readonly config_file: string;
  readonly ts: number;
  readonly uptime_s: number;
  readonly sources: readonly SourceStatus[];
  readonly fast_path: FastPathStatus;
  readonly outbox?: OutboxStatus;
  readonly uplink?: UplinkStatus;
  readonly host?: HostStatus;
  readonly assets: Readonly<Record<string, AssetStatus>>;
  readonly problems: readonly string[];
  readonly health: Health;
}
