/** What a run before committed and did not seal. */
import { growGap } from "./gaps.ts";
import type { Identity } from "./identity.ts";
import { decodeRow } from "./rows.ts";
import type { PackedRow } from "./schema.ts";
import type { Store } from "./store.ts";
import type { OpenRow } from "./transaction.ts";

export interface LeftOverOptions {
  readonly identity: Identity;
  readonly nowMs: number;
  /** The epoch under which samples are sealed while all is renewed (renewal.ts). */
  readonly from: number | undefined;
}

/** Rows that a run before left without a seal; damaged ones are dropped here, under a gap. */
export function leftOver(store: Store, { identity, nowMs, from }: LeftOverOptions): OpenRow[] {
  const { epoch } = identity;
  const open: OpenRow[] = [];
  for (const row of store.unsealed("t", from)) {
    const raw = intact(row);
    if (raw !== undefined) {
      const { id, boot, sync, t_min, t_max } = row;
      open.push({ id, boot, sync, t_min, t_max, raw });
      continue;
    }
    const { id, stream: c, samples, t_min: t0, t_max: t1 } = row;
    store.dropPacked(c, id, id);
    growGap(store, { c, epoch: epoch.name, from: null, to: null, samples, reason: "corrupt", t0, t1 }, nowMs);
  }
  return open;
}

function intact(row: PackedRow): Uint8Array | undefined {
  try {
    return decodeRow(row);
  } catch {
    return undefined;
  }
}
