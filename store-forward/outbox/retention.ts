/** The budget on disk: what it is now, and what goes first when it is spent. */
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import type { Stream } from "../../core/record.ts";
import type { Acks } from "./acks.ts";
import { BALLAST_BYTES } from "./ballast.ts";
import { dropOldestDead } from "./dead-letters.ts";
import { growGap } from "./gaps.ts";
import { samplesOf } from "./reader.ts";
import type { EpochRow, SealRow } from "./schema.ts";
import { PAGE_BYTES, WAL_BYTES } from "./sqlite.ts";
import type { Store } from "./store.ts";

/** Bulk, then telemetry, critical last. */
const SEALED_STREAMS = ["b", "t"] as const;
/** However full the volume is, this much is worked in. */
const LEAST_BYTES = 1024 * 1024;
/** One transaction drops no more seals or critical records than this, so that it stays short. */
const MAX_DROPS = 64;
const BATCH = 16;
const DROPPED = "dropped_c";
/** Rows, their pages and the tables around them. */
const OVERHEAD = 1.25;
const SLACK_BYTES = 64 * PAGE_BYTES;

export interface Budget {
  readonly maxBytes: number;
  readonly minFreeBytes: number;
}

/**
 * Bytes that the database file may have: the budget without log and ballast. Its present size on a volume short of
 * space, where the floor is reached or the ballast is given away.
 */
export function limitBytes(path: string, fileBytes: number, budget: Budget, ballastHeld: boolean): number {
  const limit = Math.max(LEAST_BYTES, budget.maxBytes - WAL_BYTES - BALLAST_BYTES);
  if (ballastHeld && (budget.minFreeBytes === 0 || freeBytes(path) >= budget.minFreeBytes)) return limit;
  return Math.max(LEAST_BYTES, Math.min(limit, fileBytes));
}

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(dirname(path));
  return bavail * bsize;
}

export interface RoomOptions {
  readonly store: Store;
  readonly acks: Acks;
  readonly epochs: ReadonlyMap<number, EpochRow>;
  readonly nowMs: number;
  readonly limitBytes: number;
  /** Bytes that are about to be written. */
  readonly bytes: number;
}

/**
 * Inside the transaction that needs the room: drops dead letters, then the oldest sealed records of the lowest stream,
 * under a gap. Returns the samples dropped.
 */
export function makeRoom(options: RoomOptions): number {
  const { store, bytes, limitBytes: limit } = options;
  const needed = bytes === 0 ? 0 : bytes * OVERHEAD + SLACK_BYTES;
  let dropped = 0;
  for (let drops = 0; drops < MAX_DROPS && store.size().usedBytes + needed > limit; drops++) {
    if (dropOldestDead(store)) continue;
    const samples = dropOldestSeal(options) ?? dropOldestCritical(options);
    if (samples === undefined) break;
    dropped += samples;
  }
  return dropped;
}

function dropOldestSeal(options: RoomOptions): number | undefined {
  const { store } = options;
  const seal = store.firstSeal(SEALED_STREAMS[0]) ?? store.firstSeal(SEALED_STREAMS[1]);
  return seal === undefined ? undefined : dropSealUnderGap(options, seal, "full");
}

/** Inside a transaction: drops what is left of a seal, and tells it. Returns the samples dropped. */
export function dropSealUnderGap(
  { store, acks, epochs, nowMs }: Pick<RoomOptions, "store" | "acks" | "epochs" | "nowMs">,
  seal: SealRow,
  reason: "full" | "expired",
): number {
  const { stream, epoch, seq_to: to, t_min: t0, t_max: t1 } = seal;
  const from = Math.max(seal.seq_from, acks.mark(stream, epoch).acked + 1);
  store.dropSeal(seal);
  acks.dropped(stream, epoch, { from: seal.seq_from, to });
  if (from > to) return 0;
  const samples = samplesOf(seal, from, to, (seq) => !acks.has(stream, epoch, seq));
  const name = epochs.get(epoch)?.name ?? "";
  growGap(store, { c: stream, epoch: name, from, to, samples, reason, t0, t1 }, nowMs);
  return samples;
}

/** A few at a time: each alone frees too little to matter. */
function dropOldestCritical({ store, acks, epochs, nowMs }: RoomOptions): number | undefined {
  const stream: Stream = "c";
  const rows = store.firstLossy(BATCH);
  const upto = droppedCritical(store);
  for (const { epoch, seq, sealed_ms: t0 } of rows) {
    store.dropRecord(epoch, seq);
    upto[epoch] = seq;
    acks.dropped(stream, epoch, { from: 1, to: seq });
    if (acks.has(stream, epoch, seq)) continue;
    const name = epochs.get(epoch)?.name ?? "";
    growGap(store, { c: stream, epoch: name, from: seq, to: seq, samples: null, reason: "full", t0, t1: t0 }, nowMs);
  }
  if (rows.length === 0) return undefined;
  store.setMeta(DROPPED, JSON.stringify(upto));
  return 0;
}

/**
 * Per epoch, up to which number critical records that are not stored were dropped under a gap: gaps stay between them, so
 * the acknowledged mark does not tell.
 */
export function droppedCritical(store: Store): Record<number, number> {
  return JSON.parse(store.meta(DROPPED) ?? "{}") as Record<number, number>;
}
