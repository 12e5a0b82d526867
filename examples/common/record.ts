/** Busbar's records as an outsider reads them (docs/FORMATS.md). Nothing throws: what is no record is undefined. */

export type Value = number | string | boolean | null;
export type Quality = "good" | "stale" | "bad";

export interface BusbarRecord {
  readonly v: 1;
  readonly k: "data" | "gap" | "time" | "event" | "session";
  readonly gw: string;
  readonly asset?: string;
  readonly epoch: string;
  readonly c: "c" | "t" | "b";
  readonly seq: number;
  readonly boot: number;
  readonly sync: boolean;
  readonly t0: number;
  readonly g?: readonly Group[];
  readonly gap?: Gap;
  readonly time?: { readonly boot: number; readonly offset_ms: number };
  readonly session?: SessionBody;
}

interface Group {
  readonly t: readonly number[];
  readonly s: Readonly<Record<string, readonly Value[]>>;
  readonly q?: Readonly<Record<string, string>>;
}

export interface Gap {
  readonly c: string;
  readonly epoch: string;
  readonly from: number | null;
  readonly to: number | null;
  readonly samples: number | null;
  readonly reason: string;
  readonly t0: number;
  readonly t1: number;
}

export interface SessionBody {
  readonly sid: string;
  readonly rev: number;
  readonly begin: number;
  readonly end: number | null;
  readonly energy: number | null;
}

/** Values that were read together; `t` in milliseconds since 1970, as the record has it. */
export interface Row {
  readonly t: number;
  readonly values: Readonly<Record<string, { readonly v: Value; readonly q: Quality }>>;
}

const QUALITY: Readonly<Record<string, Quality>> = { g: "good", s: "stale", b: "bad" };

/** Undefined for what is no record of version 1, such as the single samples of the bridge's option `values: sample`. */
export function readRecord(value: Buffer | null): BusbarRecord | undefined {
  const read = readJson(value);
  return read?.v === 1 && typeof read.gw === "string" && typeof read.k === "string"
    ? (read as unknown as BusbarRecord)
    : undefined;
}

export function readJson(value: Buffer | null): Readonly<Record<string, unknown>> | undefined {
  try {
    const read: unknown = JSON.parse(String(value));
    return typeof read === "object" && read !== null ? { ...read } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * In order of time: signals that are read together have a time vector of their own, of which the first is relative to
 * `t0` and each next one to the one before.
 */
export function rowsOf({ g = [], t0 }: BusbarRecord): Row[] {
  const rows: Row[] = [];
  for (const { t: steps, s, q = {} } of g) {
    let t = t0;
    for (const [at, step] of steps.entries()) {
      t += step;
      const values: Record<string, { v: Value; q: Quality }> = {};
      for (const [signal, column] of Object.entries(s)) {
        values[signal] = { v: column[at] ?? null, q: QUALITY[q[signal]?.[at] ?? "g"] ?? "bad" };
      }
      rows.push({ t, values });
    }
  }
  return rows.sort((a, b) => a.t - b.t);
}

/** Times before a gateway's clock was set are its best guess; one `time` record of the same boot corrects them. */
export class Clocks {
  readonly #offsets = new Map<string, number>();

  /** True when the record is news about a boot's clock. */
  learn({ gw, time }: BusbarRecord): boolean {
    if (time === undefined) return false;
    this.#offsets.set(`${gw} ${time.boot}`, time.offset_ms);
    return true;
  }

  /** What to add to times of that boot with `sync` false; undefined while nobody knows. */
  offsetOf(gateway: string, boot: number): number | undefined {
    return this.#offsets.get(`${gateway} ${boot}`);
  }

  /** A time of that record, corrected where that is possible. */
  trueTime({ gw, boot, sync }: Pick<BusbarRecord, "gw" | "boot" | "sync">, t: number): { t: number; known: boolean } {
    if (sync) return { t, known: true };
    const offset = this.offsetOf(gw, boot);
    return offset === undefined ? { t, known: false } : { t: t + offset, known: true };
  }
}
