/** What a run before committed and did not seal. */
import { STREAMS } from "../../core/record.ts";
import { growGap } from "./gaps.ts";
import type { Identity } from "./identity.ts";
import { decodeRow } from "./rows.ts";
import type { PackedRow } from "./schema.ts";
import type { Store } from "./store.ts";
import type { OpenRow } from "./transaction.ts";

/** No row has so many: what such a one says of itself is damaged too. */
const MOST_SAMPLES = 2 ** 24;

export interface LeftOverOptions {
  readonly identity: Identity;
  readonly nowMs: number;
  /** The epoch under which samples are sealed while all is renewed (renewal.ts). */
  readonly from: number | undefined;
}

/**
 * Rows that a run before left without a seal. Damaged ones, and those of a boot whose birth is gone, are dropped here,
 * under a gap: nobody can tell any more what is in them.
 */
export function leftOver(store: Store, { identity, nowMs, from }: LeftOverOptions): OpenRow[] {
  const { epoch } = identity;
  const open: OpenRow[] = [];
  const drop = ({ id, stream, samples: said, t_min: t0, t_max: t1 }: Omit<PackedRow, "data">): void => {
    store.dropPacked(stream, id, id);
    const samples = said > 0 && said < MOST_SAMPLES ? said : null;
    growGap(store, { c: "t", epoch: epoch.name, from: null, to: null, samples, reason: "corrupt", t0, t1 }, nowMs);
  };
  for (const row of store.unsealed("t", from)) {
    const raw = store.birthOf(row.boot) === undefined ? undefined : intact(row);
    if (raw === undefined) drop(row);
    else {
      const { id, boot, sync, t_min, t_max } = row;
      open.push({ id, boot, sync, t_min, t_max, raw });
    }
  }
  for (const row of strays(store)) drop(row);
  return open;
}

/** Behind all seals, and of no stream. */
function strays(store: Store): Omit<PackedRow, "data">[] {
  const last = "SELECT row_to FROM seal WHERE stream = 't' AND epoch = ? ORDER BY seq_from DESC LIMIT 1";
  const statement = store.prepare<[number], number>(last).pluck();
  const ends = store.epochs().map(({ n }) => statement.get(n) ?? 0);
  const sql = "SELECT id, stream, boot, sync, t_min, t_max, samples, coding, crc FROM packed WHERE id > ?";
  const behind = store.prepare<[number], Omit<PackedRow, "data">>(sql).all(Math.max(0, ...ends));
  return behind.filter(({ stream }) => !STREAMS.includes(stream));
}

function intact(row: PackedRow): Uint8Array | undefined {
  try {
    return decodeRow(row);
  } catch {
    return undefined;
  }
}
