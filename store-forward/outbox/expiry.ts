/**
 * Expiry by age: sealed telemetry and bulk records whose newest sample is older than `store.expire_after` go, oldest
 * first, under a gap of reason `expired`. Critical records never expire: they are few, and they tell the losses; only a
 * full store drops them, last of all.
 *
 * Age is told by the wall clock, so nothing expires while that is not known to be true. Records that were taken before
 * the clock was true do not know their own time: their age counts from the first synchronisation after them, which is
 * noted in `meta`, once per boot that has a say.
 */
import type { Stream } from "../../core/record.ts";
import { dropSealUnderGap, type RoomOptions } from "./retention.ts";
import type { SealRow } from "./schema.ts";
import type { Store } from "./store.ts";

const EXPIRING = ["b", "t"] as const;
/** One transaction drops no more seals than this, so that it stays short. */
const MAX_DROPS = 64;
const SYNCED = "synced";

export interface ExpiryOptions extends Pick<RoomOptions, "store" | "acks" | "epochs" | "nowMs"> {
  readonly boot: number;
  /** Milliseconds; undefined: nothing expires. */
  readonly expireAfterMs: number | undefined;
  /** `nowMs` is true. */
  readonly synced: boolean;
}

/** Something for `expire` to do. */
export function expiryDue(options: Omit<ExpiryOptions, "acks" | "epochs">): boolean {
  const { store, boot, synced, expireAfterMs } = options;
  if (!synced || expireAfterMs === undefined) return false;
  return syncedMs(store, boot) === undefined || EXPIRING.some((stream) => oldestExpired(options, stream) !== undefined);
}

/** Inside a transaction. Returns the samples that expired. */
export function expire(options: ExpiryOptions): number {
  const { store, boot, nowMs, synced, expireAfterMs } = options;
  if (!synced || expireAfterMs === undefined) return 0;
  noteSynced(store, boot, nowMs);
  let expired = 0;
  for (let drops = 0; drops < MAX_DROPS; drops++) {
    const seal = oldestExpired(options, "b") ?? oldestExpired(options, "t");
    if (seal === undefined) break;
    expired += dropSealUnderGap(options, seal, "expired");
  }
  return expired;
}

function oldestExpired(
  { store, nowMs, expireAfterMs = Number.POSITIVE_INFINITY }: Pick<ExpiryOptions, "store" | "nowMs" | "expireAfterMs">,
  stream: Stream,
): SealRow | undefined {
  const seal = store.firstSeal(stream);
  return seal !== undefined && nowMs - bornMs(store, seal) > expireAfterMs ? seal : undefined;
}

/** When the records' age begins. A time that lies in the future says nothing, and never expires before it is past. */
function bornMs(store: Store, { sync, boot, t_max }: SealRow): number {
  return sync === 1 ? t_max : (syncedMs(store, boot) ?? Number.POSITIVE_INFINITY);
}

/** When the clock became true in that boot or in the first one after it in which it did. */
function syncedMs(store: Store, boot: number): number | undefined {
  const [, ms] = notes(store).find(([noted]) => noted >= boot) ?? [];
  return ms;
}

function noteSynced(store: Store, boot: number, nowMs: number): void {
  if (syncedMs(store, boot) !== undefined) return;
  const oldest = store.oldestBoot() ?? boot;
  store.setMeta(SYNCED, JSON.stringify([...notes(store).filter(([noted]) => noted >= oldest), [boot, nowMs]]));
}

/** Boots, ascending, and milliseconds since 1970. */
function notes(store: Store): [number, number][] {
  return JSON.parse(store.meta(SYNCED) ?? "[]") as [number, number][];
}
