/** The newest value of each signal of an asset, whatever the order in which records come. */
import type { BusbarRecord, Clocks, Quality, Row, Value } from "../common/record.ts";

export interface Latest {
  readonly v: Value;
  readonly q: Quality;
  readonly unit?: string;
  /** When it was measured, milliseconds since 1970. */
  readonly t: number;
  /** False: the gateway's clock was not set yet, `t` is its guess. */
  readonly synced: boolean;
}

interface Kept {
  readonly v: Value;
  readonly q: Quality;
  /** As the record has it. */
  readonly t: number;
  readonly from: Pick<BusbarRecord, "gw" | "boot" | "sync" | "epoch" | "seq">;
}

export class LatestValues {
  readonly #kept = new Map<string, Kept>();

  /** The signals that a row is news of. */
  take({ gw, boot, sync, epoch, seq }: BusbarRecord, { t, values }: Row): string[] {
    // The record itself is not kept: its samples can be forgotten.
    const from = { gw, boot, sync, epoch, seq };
    return Object.entries(values).flatMap(([signal, { v, q }]) => {
      const kept = { v, q, t, from };
      const known = this.#kept.get(signal);
      if (known !== undefined && !isNewer(kept, known)) return [];
      this.#kept.set(signal, kept);
      return [signal];
    });
  }

  get signals(): string[] {
    return [...this.#kept.keys()];
  }

  /** Signals of a boot whose clock was not set when they were measured. */
  unsynced(boot: number | undefined): string[] {
    return [...this.#kept].flatMap(([signal, { from }]) => (!from.sync && from.boot === boot ? [signal] : []));
  }

  get(signal: string, clocks: Clocks): Latest | undefined {
    const kept = this.#kept.get(signal);
    if (kept === undefined) return undefined;
    const { t, known } = clocks.trueTime(kept.from, kept.t);
    return { v: kept.v, q: kept.q, t, synced: known };
  }
}

/**
 * A later boot is newer whatever its clock says, and within a boot what was measured before the clock was set is older.
 * A stale sample has the time of the value that it repeats: of two with one time the later record counts.
 */
function isNewer(a: Kept, b: Kept): boolean {
  const [x, y] = [a.from, b.from];
  if (x.boot !== y.boot) return x.boot > y.boot;
  if (x.sync !== y.sync) return x.sync;
  if (a.t !== b.t) return a.t > b.t;
  return x.epoch !== y.epoch || x.seq >= y.seq;
}
