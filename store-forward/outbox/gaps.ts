/** Gaps: what is not there any more, told in stream c. One that may grow is one row until it is sealed. */
import type { Gap } from "../../core/record.ts";
import type { GapRow } from "./schema.ts";
import type { Store } from "./store.ts";

/** A gap that grows while nobody listens is told once an hour. */
const SEAL_OFFLINE_MS = 3_600_000;

/** Inside a transaction: adds a loss to the row of its kind. Ranges of one kind are lost oldest first, so they join. */
export function growGap(store: Store, gap: Gap, nowMs: number): void {
  const same = store
    .gaps()
    .find(({ stream, epoch, reason }) => stream === gap.c && epoch === gap.epoch && reason === gap.reason);
  const { c: stream, epoch, from, to, samples, reason, t0, t1 } = gap;
  if (same === undefined) {
    store.putGap({ id: null, stream, epoch, seq_from: from, seq_to: to, samples, reason, t0, t1, since_ms: nowMs });
    return;
  }
  store.putGap({
    ...same,
    seq_from: join(Math.min, same.seq_from, from),
    seq_to: join(Math.max, same.seq_to, to),
    samples: same.samples === null || samples === null ? null : same.samples + samples,
    t0: Math.min(same.t0, t0),
    t1: Math.max(same.t1, t1),
  });
}

export interface GapsDue {
  readonly nowMs: number;
  readonly linkUp: boolean;
  readonly publishIntervalMs: number;
  /** The gateway stops: whatever there is. */
  readonly all: boolean;
}

/** Gaps that are to be told now. */
export function gapsDue(gaps: readonly GapRow[], due: GapsDue): readonly GapRow[] {
  const age = due.all ? 0 : due.linkUp ? due.publishIntervalMs : SEAL_OFFLINE_MS;
  // The wall clock may have been set back since: then the age says nothing, and telling early does no harm.
  return gaps.filter(({ since_ms }) => due.nowMs - since_ms >= age || since_ms > due.nowMs);
}

/** The record's body. */
export function gapBody({ stream: c, epoch, seq_from: from, seq_to: to, samples, reason, t0, t1 }: GapRow): string {
  const gap: Gap = { c, epoch, from, to, samples, reason, t0, t1 };
  return `"gap":${JSON.stringify(gap)}`;
}

function join(pick: (a: number, b: number) => number, one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : pick(one, other);
}
