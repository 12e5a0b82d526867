/** What the uplink is given and what it tells; apart from the classes, so that those who wire it load nothing heavy. */
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import type { Stream } from "../../core/record.ts";
import type { UplinkConfig } from "../config.ts";
import type { Position, RecordQueue } from "../queue.ts";

/** From the bridge (DESIGN §6): the highest contiguous seq per stream of an epoch that Kafka holds. */
export interface Receipt {
  readonly epoch: string;
  readonly upto: Readonly<Record<Stream, number>>;
}

/** Latest values of one asset for `now/<asset>`; times in milliseconds since 1970. */
export interface LatestValues {
  readonly asset: string;
  readonly ts: number;
  readonly values: Readonly<Record<string, LatestValue>>;
}

export interface LatestValue {
  readonly v: unknown;
  readonly u?: string;
  /** `good`, `stale` or `bad`. */
  readonly q: string;
  readonly ts: number;
}

/** A record that the server will never take: one of its own reason codes, or connections that close on it. */
export interface Rejection {
  readonly stream: Stream;
  readonly at: Position;
  /** MQTT 5 reason code (0x90, 0x95, 0x99), or undefined: connections closed on it. */
  readonly reasonCode: number | undefined;
  readonly text: string;
}

export interface UplinkOptions {
  readonly gateway: string;
  /** Starts of the gateway; stands in `state` beside the number of the connection. */
  readonly boot: number;
  readonly config: UplinkConfig;
  /** Its `onSealed` is the uplink's while `run` runs. */
  readonly queue: RecordQueue;
  readonly log: Logger;
  readonly clock: Clock;
  /** 0 ≤ random() < 1, for the jitter of reconnections. */
  readonly random?: () => number;
  /** Called for every well-formed receipt, before a process's first record goes out. False: it is of a foreign epoch. */
  readonly onReceipt?: (receipt: Receipt) => boolean;
  /** Asked before the first record of each connection: false while it cannot be noted that records may have left. */
  readonly onRelease?: () => boolean;
  /** Where the month's traffic is kept; default: nowhere. */
  readonly trafficPath?: string;
  /** Where it is noted which `now/` topics hold a value; default: nowhere. */
  readonly shownPath?: string;
  /**
   * Moves the record to the dead letters with a gap: true when `read` will not return it again. Without it, or on
   * false, the stream is held and the record tried again.
   */
  readonly onRejected?: (rejection: Rejection) => boolean;
  /** Asked once a second while a backlog stands, and once at the first connection. */
  readonly latestValues?: () => Iterable<LatestValues>;
  readonly timing?: Partial<UplinkTiming>;
}

/** Milliseconds all; changed by tests. */
export interface UplinkTiming {
  readonly connectTimeoutMs: number;
  /** Age of the oldest unacknowledged publish at which the connection is replaced (DESIGN invariant 9). */
  readonly stallMs: number;
  readonly backoffFirstMs: number;
  readonly backoffMaxMs: number;
  /** A link that was up for this long counts as having held. */
  readonly heldMs: number;
  /** First wait before a refused record is tried again; doubles up to a minute. */
  readonly retryRefusedMs: number;
  readonly receiptWaitMs: number;
  /** Instead of `uplink.now.interval`. */
  readonly nowIntervalMs: number | undefined;
  /** While a connection attempt waits, the path is tried this often. */
  readonly probeMs: number;
  /** An acknowledged record without receipt is sent again after so long. */
  readonly receiptDueMs: number;
  /** The bridge is alive for so long after a sign of life. */
  readonly bridgeAliveMs: number;
  /** How often stall, backlog and held records are looked at. */
  readonly tickMs: number;
  /** How long `offline` may wait for its acknowledgement at an orderly stop. */
  readonly farewellMs: number;
}

export const DEFAULT_TIMING: UplinkTiming = {
  connectTimeoutMs: 10_000,
  stallMs: 30_000,
  backoffFirstMs: 250,
  // A broker back from an outage is noticed within 1.5 s.
  backoffMaxMs: 1500,
  heldMs: 10_000,
  retryRefusedMs: 1000,
  receiptWaitMs: 100,
  nowIntervalMs: undefined,
  probeMs: 1000,
  receiptDueMs: 300_000,
  bridgeAliveMs: 180_000,
  tickMs: 250,
  farewellMs: 2000,
};
