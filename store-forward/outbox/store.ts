/** Every statement of the outbox, prepared once, under a name. No thinking here. */
import type { Stream } from "../../core/record.ts";
import type { SealedRecord } from "../queue.ts";
import { DbFile } from "./db-file.ts";
import { prepareSchema } from "./migrate.ts";
import { Gaps, Marks } from "./remembered.ts";
import { PACKED_COLUMNS, type PackedCells, packedOf } from "./row-cells.ts";
import type { EpochRow, GapRow, MarkRow, PackedRow, RecordRow, SealRow } from "./schema.ts";
import { RottedSeal, sealChecksum, sound } from "./seal-sum.ts";
import { SealsAhead } from "./seals-ahead.ts";
import type { Database, Statement } from "./sqlite.ts";

/** Epochs below it are free for those of a file that was set aside (salvage.ts). */
export const FIRST_EPOCH = 1000;
const ROW_FLOOR = 2 ** 40;

type Sql<P extends unknown[], R = never> = Statement<P, R>;

export class Store extends DbFile {
  readonly #db: Database;
  readonly #addPacked: Sql<[number | null, string, number, number, number, number, number, number, number, Uint8Array]>;
  readonly #packedRange: Sql<[number, number, Stream], PackedCells>;
  readonly #packedAfter: Sql<[number, Stream], PackedRow>;
  readonly #dropPacked: Sql<[number, number, Stream]>;
  readonly #addSeal: Sql<[SealRow]>;
  readonly #seals: SealsAhead;
  readonly #firstSeal: Sql<[Stream], SealRow>;
  readonly #lastSeal: Sql<[Stream], SealRow>;
  readonly #scanSeals: Sql<[Stream], SealRow>;
  readonly #outline: Sql<[number, number, Stream], Omit<PackedRow, "data">>;
  readonly #dropSeal: Sql<[Stream, number, number]>;
  readonly #addRecord: Sql<[number, number, number, string, string | null, number, Uint8Array]>;
  readonly #recordsAfter: Sql<[number, number, number], RecordRow>;
  readonly #recordSeqAfter: Sql<[number, number], number>;
  readonly #firstLossy: Sql<[number], RecordRow>;
  readonly #dropRecord: Sql<[number, number]>;
  readonly #dropRecords: Sql<[number, number]>;
  readonly #marks: Marks;
  readonly #gaps: Gaps;
  readonly #birth: Sql<[number], Uint8Array>;
  readonly #birthIds: Sql<[], { readonly id: string; readonly payload: Uint8Array; readonly boot: number }>;
  readonly #oldestBoot: Sql<[], number | null>;
  readonly #newestRow: Sql<[], number | null>;
  readonly #epochs: Sql<[], EpochRow>;
  readonly #meta: Sql<[string], string>;
  #rowFloor: number;
  /** The highest id of `packed`; undefined: not asked since it may have gone. */
  #newestKnown: number | undefined;

  /** Makes the tables in an empty file. Throws BusbarError STORE_CORRUPT when the file is of another version or program. */
  constructor(db: Database) {
    super(db);
    this.#db = db;
    prepareSchema(db);
    this.#addPacked = this.prepare(
      "INSERT INTO packed(id, stream, boot, sync, t_min, t_max, samples, coding, crc, data) VALUES(?,?,?,?,?,?,?,?,?,?)",
    );
    this.#packedRange = this.prepare<[number, number, Stream], PackedCells>(
      `SELECT ${PACKED_COLUMNS} FROM packed WHERE id BETWEEN ? AND ? AND stream = ? ORDER BY id`,
    ).raw();
    this.#packedAfter = this.prepare("SELECT * FROM packed WHERE id > ? AND stream = ? ORDER BY id");
    this.#dropPacked = this.prepare("DELETE FROM packed WHERE id BETWEEN ? AND ? AND stream = ?");
    this.#addSeal = this.prepare(
      `INSERT INTO seal VALUES(@stream, @epoch, @seq_from, @seq_to, @row_from, @row_to, @boot, @sync, @sealed_ms,
       @t_min, @t_max, @encoder, @sums, @crc)`,
    );
    const seal = "SELECT * FROM seal WHERE stream = ?";
    this.#seals = new SealsAhead(this);
    this.#firstSeal = this.prepare(`${seal} ORDER BY epoch, seq_from LIMIT 1`);
    this.#lastSeal = this.prepare(`${seal} ORDER BY epoch DESC, seq_from DESC LIMIT 1`);
    this.#scanSeals = this.prepare(seal);
    this.#outline = this.prepare(
      "SELECT id, boot, sync, t_min, t_max, samples FROM packed WHERE id BETWEEN ? AND ? AND stream = ? ORDER BY id",
    );
    this.#dropSeal = this.prepare("DELETE FROM seal WHERE stream = ? AND epoch = ? AND seq_from = ?");
    this.#addRecord = this.prepare("INSERT INTO record VALUES(?,?,?,?,?,?,?)");
    const record = "SELECT * FROM record";
    this.#recordsAfter = this.prepare(`${record} WHERE (epoch, seq) > (?, ?) ORDER BY epoch, seq LIMIT ?`);
    this.#recordSeqAfter = this.prepare<[number, number], number>(
      "SELECT min(seq) FROM record WHERE epoch = ? AND seq > ?",
    ).pluck();
    this.#firstLossy = this.prepare(`${record} WHERE kind <> 'gap' ORDER BY epoch, seq LIMIT ?`);
    this.#dropRecord = this.prepare("DELETE FROM record WHERE epoch = ? AND seq = ?");
    this.#dropRecords = this.prepare("DELETE FROM record WHERE epoch = ? AND seq <= ?");
    this.#marks = new Marks(this);
    this.#gaps = new Gaps(this);
    this.#birth = this.prepare<[number], Uint8Array>(
      "SELECT payload FROM birth JOIN run ON run.birth = birth.id WHERE run.boot = ?",
    ).pluck();
    this.#birthIds = this.prepare(
      "SELECT id, payload, max(boot) AS boot FROM birth JOIN run ON run.birth = birth.id GROUP BY id ORDER BY boot",
    );
    this.#oldestBoot = this.prepare<[], number | null>(
      `SELECT min(boot) FROM (SELECT * FROM (SELECT boot FROM packed ORDER BY id LIMIT 1)
         UNION ALL SELECT * FROM (SELECT boot FROM record ORDER BY epoch, seq LIMIT 1))`,
    ).pluck();
    this.#newestRow = this.prepare<[], number | null>("SELECT max(id) FROM packed").pluck();
    this.#epochs = this.prepare("SELECT * FROM epoch ORDER BY n");
    this.#meta = this.prepare<[string], string>("SELECT value FROM meta WHERE key = ?").pluck();
    this.#rowFloor = Number(this.meta("row_floor") ?? 0);
  }

  override transaction<T>(body: () => T): T {
    try {
      return super.transaction(body);
    } finally {
      // Rolled back, it left what it had read.
      this.#seals.forget();
    }
  }

  /** Changes with every commit that stores or numbers something. */
  fingerprint(): string {
    return `${this.#newest()} ${this.#marks.text}`;
  }

  addPacked(row: Omit<PackedRow, "id"> & { readonly id?: number }): number {
    const { stream, boot, sync, t_min, t_max, samples, coding, crc, data } = row;
    const next = this.#rowFloor === 0 ? null : Math.max(this.#newest(), this.#rowFloor) + 1;
    const cells = [row.id ?? next, stream, boot, sync, t_min, t_max, samples, coding, crc, data] as const;
    const id = Number(this.run(this.#addPacked, ...cells).lastInsertRowid);
    if (this.#newestKnown !== undefined) this.#newestKnown = Math.max(this.#newestKnown, id);
    return id;
  }
  packedRange(stream: Stream, from: number, to: number): PackedRow[] {
    return this.#packedRange.all(from, to, stream).map(packedOf);
  }
  /**
   * Rows that no seal covers; `sealing`: the epoch under which seals are made, if it is not the latest. Throws RottedSeal
   * when nobody can tell where the last seal ends.
   */
  unsealed(stream: Stream, sealing?: number): PackedRow[] {
    const own = sealing === undefined ? undefined : this.#seals.lastFrom(stream, sealing, Number.MAX_SAFE_INTEGER);
    const last = sound(own ?? this.#lastSeal.get(stream));
    if (last !== undefined && last.seq_to < this.mark(last.epoch, stream).next - 1) {
      throw new RottedSeal(`outbox seal ${stream} after ${last.seq_to}: it is gone`);
    }
    return this.#packedAfter.all(last?.row_to ?? 0, stream);
  }
  /** What rows with an id in this range say of themselves, without their data. */
  outlineOf(
    stream: Stream,
    from: number,
    to: number,
  ): Pick<PackedRow, "id" | "boot" | "sync" | "t_min" | "t_max" | "samples">[] {
    return this.#outline.all(from, to, stream);
  }
  dropPacked(stream: Stream, from: number, to: number): void {
    this.run(this.#dropPacked, from, to, stream);
    if (this.#newestKnown !== undefined && this.#newestKnown <= to) this.#newestKnown = undefined;
  }

  addSeal(row: Omit<SealRow, "crc">): void {
    this.#seals.forget();
    this.run(this.#addSeal, { ...row, crc: sealChecksum(row) });
  }
  /** The seal that holds the first stored record after (epoch, seq). Throws RottedSeal. */
  sealAfter(stream: Stream, epoch: number, seq: number): SealRow | undefined {
    return this.#seals.after(stream, epoch, seq);
  }
  /** Throws RottedSeal. */
  firstSeal(stream: Stream): SealRow | undefined {
    return sound(this.#firstSeal.get(stream));
  }
  /** All of a stream, rotted ones too, in their order. */
  scanSeals(stream: Stream): Iterable<SealRow> {
    return this.#scanSeals.iterate(stream);
  }
  /** The seal alone, without its rows. False when it cannot be found where it was read. */
  dropSealRow(seal: SealRow): boolean {
    const { stream, epoch, seq_from } = seal;
    this.#seals.dropped(seal);
    return this.run(this.#dropSeal, stream, epoch, seq_from).changes === 1;
  }
  dropSeal(seal: SealRow): void {
    this.dropPacked(seal.stream, seal.row_from, seal.row_to);
    this.dropSealRow(seal);
  }

  addRecord(row: RecordRow): void {
    this.run(this.#addRecord, row.epoch, row.seq, row.boot, row.kind, row.asset, row.sealed_ms, row.plain);
  }
  recordsAfter(epoch: number, seq: number, limit: number): RecordRow[] {
    return this.#recordsAfter.all(epoch, seq, limit);
  }
  /** The oldest critical records that are no gaps: a gap that is dropped would leave its loss untold. */
  firstLossy(limit: number): RecordRow[] {
    return this.#firstLossy.all(limit);
  }
  dropRecord(epoch: number, seq: number): void {
    this.run(this.#dropRecord, epoch, seq);
  }
  dropRecordsUpTo(epoch: number, seq: number): void {
    this.run(this.#dropRecords, epoch, seq);
  }
  /** The lowest stored number above `seq`, or undefined. */
  firstSeqAfter(stream: Stream, epoch: number, seq: number): number | undefined {
    if (stream === "c") return this.#recordSeqAfter.get(epoch, seq) ?? undefined;
    const seal = this.sealAfter(stream, epoch, seq);
    return seal?.epoch === epoch ? Math.max(seal.seq_from, seq + 1) : undefined;
  }

  mark(epoch: number, stream: Stream): MarkRow {
    return this.#marks.at(epoch, stream) ?? { epoch, stream, next: 1, acked: 0 };
  }
  marks(): readonly MarkRow[] {
    return this.#marks.all();
  }
  setMark(mark: MarkRow): void {
    this.#marks.set(mark);
  }

  gaps(): readonly GapRow[] {
    return this.#gaps.all();
  }
  /** A new gap (id null) or another state of a known one. */
  putGap(gap: Omit<GapRow, "id"> & { readonly id: number | null }): void {
    this.#gaps.put(gap);
  }
  dropGap(id: number): void {
    this.#gaps.drop(id);
  }

  /** Keeps what the cloud will never take; the newest thousand. */
  addDeadLetter({ epoch, stream, seq, plain }: SealedRecord, reason: string, nowMs: number): void {
    const sql = "INSERT INTO dead(epoch, stream, seq, reason, dead_ms, plain) VALUES(?,?,?,?,?,?)";
    this.run(this.prepare<unknown[], never>(sql), epoch, stream, seq, reason, nowMs, plain);
    this.#db.exec("DELETE FROM dead WHERE id <= (SELECT max(id) FROM dead) - 1000");
  }

  epochs(): EpochRow[] {
    return this.#epochs.all();
  }
  addEpoch(name: string, n: number | null = null): EpochRow {
    return { n: Number(this.run(this.prepare("INSERT INTO epoch VALUES(?,?)"), n, name).lastInsertRowid), name };
  }
  meta(key: string): string | undefined {
    return this.#meta.get(key);
  }
  setMeta(key: string, value: string): void {
    this.run(this.prepare("INSERT OR REPLACE INTO meta VALUES(?,?)"), key, value);
  }

  /** The birth payload that was current in that boot. */
  birthOf(boot: number): Uint8Array | undefined {
    return this.#birth.get(boot);
  }
  /** Payloads by the last boot that used them. */
  births(): { readonly id: string; readonly payload: Uint8Array; readonly boot: number }[] {
    return this.#birthIds.all();
  }
  newestBoot(): number {
    return this.prepare<[], number | null>("SELECT max(boot) FROM run").pluck().get() ?? 0;
  }
  /** The lowest boot that stored rows name; undefined when there are none. */
  oldestBoot(): number | undefined {
    return this.#oldestBoot.get() ?? undefined;
  }
  /** Milliseconds since 1970, among the last rows; 0: none of them has a true time. */
  newestTrueMs(): number {
    const last = "SELECT sync, t_max FROM packed ORDER BY id DESC LIMIT 100";
    const sql = `SELECT max(t_max) FROM (${last}) WHERE sync = 1`;
    return this.prepare<[], number | null>(sql).pluck().get() ?? 0;
  }
  /** Notes the start of a boot and forgets those that no row names any more. */
  beginRun(boot: number, birthId: string, payload: Uint8Array): void {
    this.run(this.prepare("DELETE FROM run WHERE boot < ?"), this.oldestBoot() ?? boot);
    this.addRun(boot, birthId, payload);
    this.#db.exec("DELETE FROM birth WHERE id NOT IN (SELECT birth FROM run)");
  }
  addRun(boot: number, birthId: string, payload: Uint8Array): void {
    this.run(this.prepare("INSERT OR IGNORE INTO run VALUES(?,?)"), boot, birthId);
    this.run(this.prepare("INSERT OR IGNORE INTO birth VALUES(?,?)"), birthId, payload);
  }
  /** The epoch is one of a file that was set aside. */
  isSalvaged(epoch: number): boolean {
    return this.#rowFloor !== 0 && epoch < FIRST_EPOCH;
  }
  /** In an empty file: older epochs and rows may be put below all that follows. */
  leaveRoom(): void {
    this.#rowFloor = ROW_FLOOR;
    this.setMeta("row_floor", String(ROW_FLOOR));
  }

  #newest(): number {
    this.#newestKnown ??= this.#newestRow.get() ?? 0;
    return this.#newestKnown;
  }

  protected override forget(): void {
    super.forget();
    this.#newestKnown = undefined;
    this.#marks.forget();
    this.#gaps.forget();
  }
}
