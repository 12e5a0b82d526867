/**
 * What a file that was set aside still holds is taken over, in small steps while the outbox works: sealed records with
 * the identity and the bytes that they had. Its loss was told when it was set aside; a record that arrives inside a gap
 * counts as arrived. Rows that no seal covers stay behind: nobody can tell whether they were sent.
 *
 * A seal is taken over when at least one of its records comes out as its checksums say; the others are told by the
 * read that finds them. Where pages cannot be read the nearest readable number behind them is sought. Epochs and rows
 * of the old file get numbers below those of the new one (Store.leaveRoom), so they go first. Each step is one
 * transaction that also notes how far it came (`meta.salvage`): a restart goes on from there. Nothing is dropped to
 * make room: while there is none, the rest waits in its file.
 */
import { statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { crcHolds, type Stream } from "../../core/record.ts";
import { birthIdOf } from "../../core/signals.ts";
import { Acks } from "./acks.ts";
import { Reader } from "./reader.ts";
import type { EpochRow, RecordRow, SealRow } from "./schema.ts";
import { faultOf, openSqlite } from "./sqlite.ts";
import { FIRST_EPOCH, Store } from "./store.ts";

const NOTE = "salvage";
/** One step: a seal's rows are at most 1 MiB, a critical record is at most 32 KiB. */
const MAX_CRITICAL = 16;
/** Between two commits. */
const STEPS = 4;
const ROOM_BYTES = 2 * 1024 * 1024;
const STREAMS = ["c", "t", "b"] as const;
const FARTHEST = 2 ** 40;

/** How far salvage came in the old file; `row`: last row id used in the new one. */
interface Note {
  readonly file: string;
  readonly epoch: number;
  readonly stream: Stream;
  readonly seq: number;
  readonly row: number;
  readonly records: number;
}

interface Source {
  readonly store: Store;
  readonly reader: Reader;
  readonly epochs: readonly EpochRow[];
}

export interface SalvageOptions {
  readonly store: Store;
  readonly path: string;
  readonly gateway: string;
  readonly log: Logger;
}

/** Inside the transaction that begins a new file: the old one, at `aside`, is to be salvaged. */
export function noteSalvage(store: Store, aside: string): void {
  const note: Note = { file: basename(aside), epoch: 0, stream: "c", seq: 0, row: 0, records: 0 };
  store.setMeta(NOTE, JSON.stringify(note));
}

export class Salvage {
  readonly #o: SalvageOptions;
  #note: Note;
  #source: Source | undefined;
  /** Nothing is left to do. */
  done = false;

  private constructor(options: SalvageOptions, note: Note) {
    this.#o = options;
    this.#note = note;
  }

  /** Undefined when no file waits to be salvaged. */
  static of(options: SalvageOptions): Salvage | undefined {
    const text = options.store.meta(NOTE) ?? "";
    return text === "" ? undefined : new Salvage(options, JSON.parse(text) as Note);
  }

  /** For OutboxStatus. */
  get state(): { readonly file: string; readonly records: number } {
    const { file, records } = this.#note;
    return { file, records };
  }

  /** A few steps; `roomBytes`: what the new file may still grow. True when records came over. Throws as `step` does. */
  some(roomBytes: () => number): boolean {
    let came = false;
    for (let step = 0; step < STEPS && !this.done; step++) {
      const outcome = this.step(roomBytes() > ROOM_BYTES);
      this.done = outcome === "done";
      came ||= outcome === "more";
    }
    return came;
  }

  /**
   * One step: "more" when records came over, "done" when there is nothing left. Throws what the new file throws; the
   * old one's errors are what is expected of it.
   */
  step(hasRoom: boolean): "more" | "nothing" | "done" {
    if (!hasRoom) {
      this.close();
      return "nothing";
    }
    const source = this.#opened();
    if (source === "later") return "nothing";
    if (source === undefined) return this.#done("nothing left to salvage");
    const epoch = source.epochs.find(({ n }) => n >= this.#note.epoch);
    if (epoch === undefined) return this.#older(source) ? "nothing" : this.#done("all of it was looked at");
    if (this.#note.epoch === 0) return this.#gaps(source, epoch);
    const at =
      epoch.n === this.#note.epoch ? this.#note : { ...this.#note, epoch: epoch.n, stream: "c" as const, seq: 0 };
    const taken = at.stream === "c" ? this.#critical(source, epoch, at) : this.#sealed(source, epoch, at);
    if (taken !== undefined) return taken ? "more" : "nothing";
    const next = STREAMS[STREAMS.indexOf(at.stream) + 1];
    const note = next === undefined ? { ...at, epoch: epoch.n + 1, stream: "c" as const } : { ...at, stream: next };
    this.#advance({ ...note, seq: 0 });
    return "nothing";
  }

  /** The file was itself salvaging another when it was set aside: that one is gone on with. */
  #older({ store: old }: Source): boolean {
    const older = attempt(() => JSON.parse(old.meta(NOTE) ?? "") as Note);
    if (older === undefined || older.file === this.#note.file) return false;
    const { row, records } = this.#note;
    this.#advance({ ...older, row, records });
    this.close();
    return true;
  }

  close(): void {
    try {
      this.#source?.store.close();
    } catch {
      // A file set aside for its damage: nothing more is wanted of it.
    }
    this.#source = undefined;
  }

  /** Losses that were still growing: nobody else tells of them, for marks have passed over what they cover. */
  #gaps({ store: old }: Source, { n: epoch }: EpochRow): "nothing" {
    const gaps = attempt(() => old.gaps()) ?? [];
    const { store } = this.#o;
    this.#advance({ ...this.#note, epoch, stream: "c", seq: 0 }, () => {
      for (const gap of gaps) store.putGap({ ...gap, id: null });
    });
    return "nothing";
  }

  /** Undefined: no more here; else whether anything came over. */
  #critical({ store: old }: Source, epoch: EpochRow, at: Note): boolean | undefined {
    const rows = readable(at.seq, (seq) => old.recordsAfter(epoch.n, seq, MAX_CRITICAL))?.filter(
      (row) => row.epoch === epoch.n,
    );
    const last = rows?.at(-1);
    if (rows === undefined || last === undefined) return undefined;
    const good = rows.filter(({ plain }) => plain instanceof Uint8Array && crcHolds(plain));
    this.#advance({ ...at, seq: last.seq, records: at.records + good.length }, () => {
      if (good.length > 0) this.#addRecords(epoch, good, ackedOf(old, epoch, "c"));
    });
    return good.length > 0;
  }

  #sealed({ store: old, reader }: Source, epoch: EpochRow, at: Note): boolean | undefined {
    const seal = readable(at.seq, (seq) => old.sealAfter(at.stream, epoch.n, seq));
    if (seal === undefined || seal.epoch !== epoch.n) return undefined;
    const acked = ackedOf(old, epoch, at.stream);
    const proven = seal.seq_to <= acked ? 0 : (attempt(() => reader.proven(seal)) ?? 0);
    const rows = proven === 0 ? [] : (attempt(() => old.packedRange(seal.stream, seal.row_from, seal.row_to)) ?? []);
    const records = at.records + proven;
    const birth = attempt(() => old.birthOf(seal.boot));
    this.#advance({ ...at, seq: seal.seq_to, row: at.row + rows.length, records }, () => {
      if (rows.length === 0 || birth === undefined) return;
      const { store } = this.#o;
      for (const [index, row] of rows.entries()) store.addPacked({ ...row, id: at.row + 1 + index });
      const n = this.#epochOf(epoch.name);
      store.addSeal({ ...seal, epoch: n, row_from: at.row + 1, row_to: at.row + rows.length });
      store.addRun(seal.boot, birthIdOf(birth), birth);
      this.#mark(n, seal, seal.seq_to, acked);
    });
    return rows.length > 0;
  }

  #addRecords(epoch: EpochRow, rows: readonly RecordRow[], acked: number): void {
    const n = this.#epochOf(epoch.name);
    for (const row of rows) this.#o.store.addRecord({ ...row, epoch: n });
    this.#mark(n, { stream: "c" }, rows.at(-1)?.seq ?? 0, acked);
  }

  #mark(epoch: number, { stream }: Pick<SealRow, "stream">, last: number, acked: number): void {
    const { store } = this.#o;
    const mark = store.mark(epoch, stream);
    store.setMark({ epoch, stream, next: last + 1, acked: Math.max(mark.acked, Math.min(acked, last)) });
  }

  /** The new file's number of an old epoch. */
  #epochOf(name: string): number {
    const { store } = this.#o;
    const epochs = store.epochs();
    const known = epochs.find((epoch) => epoch.name === name);
    const older = epochs.filter(({ n }) => n < FIRST_EPOCH);
    return known?.n ?? store.addEpoch(name, (older.at(-1)?.n ?? 0) + 1).n;
  }

  #advance(note: Note, write = (): void => undefined): void {
    const { store } = this.#o;
    store.transaction(() => {
      write();
      store.setMeta(NOTE, JSON.stringify(note));
    });
    this.#note = note;
  }

  #done(why: string): "done" {
    const { store, log } = this.#o;
    const { file, records } = this.#note;
    store.transaction(() => store.setMeta(NOTE, ""));
    this.close();
    log.info("salvage of the outbox set aside has ended", { file, records, why });
    return "done";
  }

  #opened(): Source | "later" | undefined {
    if (this.#source !== undefined) return this.#source;
    const { path, gateway, log } = this.#o;
    try {
      const aside = join(dirname(path), this.#note.file);
      // Opening would make a file where there is none.
      if ((statSync(aside, { throwIfNoEntry: false })?.size ?? 0) === 0) return undefined;
      const store = new Store(openSqlite(aside));
      const epochs = store.epochs();
      const known = new Map(epochs.map((epoch) => [epoch.n, epoch]));
      const reader = new Reader({ store, acks: new Acks(), gateway, epochs: known, onCorrupt: () => undefined });
      this.#source = { store, reader, epochs };
      return this.#source;
    } catch (error) {
      // A medium that refuses now says nothing about the file.
      if (faultOf(error) !== "corrupt") return "later";
      log.info("the outbox set aside cannot be read", { file: this.#note.file, error: messageOf(error) });
      return undefined;
    }
  }
}

function ackedOf(store: Store, { n }: EpochRow, stream: Stream): number {
  return attempt(() => store.mark(n, stream).acked) ?? 0;
}

/** What `read` finds behind `from`; where it cannot read, behind the nearest number where it can. */
function readable<T>(from: number, read: (from: number) => T): T | undefined {
  const here = attempt(() => ({ found: read(from) }));
  if (here !== undefined) return here.found;
  let [low, high] = [0, 1];
  let best = attempt(() => ({ found: read(from + high) }));
  for (; best === undefined && high < FARTHEST; best = attempt(() => ({ found: read(from + high) }))) {
    low = high;
    high *= 2;
  }
  while (best !== undefined && high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const nearer = attempt(() => ({ found: read(from + middle) }));
    if (nearer === undefined) low = middle;
    else [high, best] = [middle, nearer];
  }
  return best?.found;
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
