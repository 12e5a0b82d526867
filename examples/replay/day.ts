/** Everything of one gateway that Kafka got around a day → one asset's day: samples in order, sessions, and what is missing. */
import { type BusbarRecord, Clocks, type Gap, rowsOf, type Value } from "../common/record.ts";
import { type Session, SessionBook } from "../common/sessions.ts";

export interface Sample {
  /** Milliseconds since 1970. */
  readonly t: number;
  readonly signal: string;
  readonly v: Value;
  readonly q: string;
  /** False: the gateway's clock was not set, and nothing has told by how much it was wrong. */
  readonly synced: boolean;
}

/** Numbers of one stream of the gateway that are not there; which assets they were of, only those records told. */
export interface Hole {
  readonly epoch: string;
  readonly stream: string;
  readonly from: number;
  readonly to: number;
  /** Of the gap record that covers it; undefined: not in Kafka so far. */
  readonly reason: string | undefined;
}

export interface Day {
  readonly samples: readonly Sample[];
  readonly sessions: readonly Session[];
  readonly holes: readonly Hole[];
  /** Gap records of the day about samples that never got a number. */
  readonly unnumbered: readonly Gap[];
  /** Something of the gateway that is newer than the day was there: what its outbox kept has come before it. */
  readonly ended: boolean;
}

export interface DayOptions {
  readonly gateway: string;
  readonly asset: string;
  readonly fromMs: number;
  readonly toMs: number;
}

interface Numbered {
  readonly seq: number;
  readonly t0: number;
}

export class DayReader {
  readonly #options: DayOptions;
  readonly #clocks = new Clocks();
  readonly #book = new SessionBook();
  readonly #records: BusbarRecord[] = [];
  readonly #gaps: Gap[] = [];
  readonly #numbers = new Map<string, Numbered[]>();

  constructor(options: DayOptions) {
    this.#options = options;
  }

  /** A record of this gateway, of any of the topics, in any order. */
  take(record: BusbarRecord): void {
    this.#clocks.learn(record);
    if (record.k === "session") this.#book.takeRecord(record);
    if (record.gap !== undefined) this.#gaps.push(record.gap);
    if (record.k !== "data") return;
    const stream = `${record.epoch} ${record.c}`;
    const numbers = this.#numbers.get(stream) ?? [];
    numbers.push({ seq: record.seq, t0: this.#clocks.trueTime(record, record.t0).t });
    this.#numbers.set(stream, numbers);
    if (record.asset === this.#options.asset) this.#records.push(record);
  }

  /** When all has been taken. */
  result(): Day {
    const { gateway, asset, fromMs, toMs } = this.#options;
    const samples = this.#samples();
    const isOfDay = ({ begin, end }: Session): boolean => (begin ?? 0) < toMs && (end ?? toMs) >= fromMs;
    return {
      samples,
      sessions: this.#book.list(gateway, asset).filter(isOfDay).reverse(),
      holes: [...this.#numbers].flatMap(([stream, numbers]) => this.#holes(stream, numbers)),
      unnumbered: this.#gaps.filter(
        ({ from, to, t0, t1 }) => from === null && to === null && t0 < toMs && t1 >= fromMs,
      ),
      ended: [...this.#numbers.values()].some((numbers) => numbers.some(({ t0 }) => t0 >= toMs)),
    };
  }

  #samples(): Sample[] {
    const { gateway, asset, fromMs, toMs } = this.#options;
    const rows = this.#records.flatMap((record) =>
      rowsOf(record).map((row) => ({ row, record, at: this.#clocks.trueTime(record, row.t) })),
    );
    rows.sort((a, b) => a.at.t - b.at.t || a.record.seq - b.record.seq);
    const ofDay = rows.filter(({ at }) => at.t >= fromMs && at.t < toMs);
    return ofDay.flatMap(({ row, at }) => {
      this.#book.takeRow(gateway, asset, { ...row, t: at.t });
      return Object.entries(row.values).map(([signal, { v, q }]) => ({ t: at.t, signal, v, q, synced: at.known }));
    });
  }

  /** Between the day's first record and the first one behind it, or the day's last. */
  #holes(name: string, numbers: readonly Numbered[]): Hole[] {
    const { fromMs, toMs } = this.#options;
    const [epoch = "", stream = ""] = name.split(" ");
    const sorted = [...numbers].sort((a, b) => a.seq - b.seq);
    const first = sorted.findIndex(({ t0 }) => t0 >= fromMs && t0 < toMs);
    if (first < 0) return [];
    const behind = sorted.findIndex(({ t0 }, at) => at > first && t0 >= toMs);
    const day = sorted.slice(Math.max(0, first - 1), behind < 0 ? sorted.length : behind + 1);
    return day.flatMap(({ seq }, at) => {
      const next = day[at + 1]?.seq ?? seq;
      return next - seq > 1 ? this.#explained({ epoch, stream, from: seq + 1, to: next - 1 }) : [];
    });
  }

  /** Cut where gap records begin and end. */
  #explained({ epoch, stream, from, to }: Omit<Hole, "reason">): Hole[] {
    const told = this.#gaps.filter((gap) => gap.epoch === epoch && gap.c === stream && gap.from !== null);
    const reasonOf = (seq: number): string | undefined =>
      told.find((gap) => seq >= (gap.from ?? 0) && seq <= (gap.to ?? Infinity))?.reason;
    const cuts = told.flatMap((gap) => [gap.from ?? from, (gap.to ?? to) + 1]).filter((cut) => cut > from && cut <= to);
    const starts = [...new Set([from, ...cuts])].sort((a, b) => a - b);
    return starts.map((start, at) => {
      return { epoch, stream, from: start, to: (starts[at + 1] ?? to + 1) - 1, reason: reasonOf(start) };
    });
  }
}
