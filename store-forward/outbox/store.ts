/** Every statement of the outbox, prepared once, under a name. No thinking here. */
import type { Stream } from "../../core/record.ts";
import type { SealedRecord } from "../queue.ts";
import { DbFile } from "./db-file.ts";
import { prepareSchema } from "./migrate.ts";
import type { EpochRow, GapRow, MarkRow, PackedRow, RecordRow, SealRow } from "./schema.ts";
import { RottedSeal, sealChecksum, sound } from "./seal-sum.ts";
import type { Database, Statement } from "./sqlite.ts";

/** Epochs below it are free for those of a file that was set aside (salvage.ts). */
export const FIRST_EPOCH = 1000;
const ROW_FLOOR = 2 ** 40;

type Sql<P extends unknown[], R = never> = Statement<P, R>;
type Seek = [Stream, number, number];

export class Store extends DbFile {
  readonly #db: Database;
  readonly #addPacked: Sql<[number | null, string, number, number, number, number, number, number, number, Uint8Array]>;
  readonly #packedRange: Sql<[number, number, Stream], PackedRow>;
  readonly #packedAfter: Sql<[number, Stream], PackedRow>;
  readonly #dropPacked: Sql<[number, number, Stream]>;
  readonly #addSeal: Sql<[SealRow]>;
  readonly #sealAt: Sql<Seek, SealRow>;
  readonly #sealAfter: Sql<Seek, SealRow>;
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
  readonly #mark: Sql<[number, Stream], MarkRow>;
  readonly #setMark: Sql<[number, string, number, number]>;
  readonly #marks: Sql<[], MarkRow>;
  readonly #addGap: Sql<(string | number | null)[]>;
  readonly #gaps: Sql<[], GapRow>;
  readonly #dropGap: Sql<[number]>;
  readonly #birth: Sql<[number], Uint8Array>;
  readonly #birthIds: Sql<[], { readonly id: string; readonly payload: Uint8Array; readonly boot: number }>;
  readonly #oldestBoot: Sql<[], number | null>;
  readonly #newestRow: Sql<[], number | null>;
  readonly #epochs: Sql<[], EpochRow>;
  readonly #meta: Sql<[string], string>;
  #rowFloor: number;

  /** Makes the tables in an empty file. Throws BusbarError STORE_CORRUPT when the file is of another version or program. */
  constructor(db: Database) {
    super(db);
    this.#db = db;
    prepareSchema(db);
    this.#addPacked = db.prepare(
      "INSERT INTO packed(id, stream, boot, sync, t_min, t_max, samples, coding, crc, data) VALUES(?,?,?,?,?,?,?,?,?,?)",
    );
    this.#packedRange = db.prepare("SELECT * FROM packed WHERE id BETWEEN ? AND ? AND stream = ? ORDER BY id");
    this.#packedAfter = db.prepare("SELECT * FROM packed WHERE id > ? AND stream = ? ORDER BY id");
    this.#dropPacked = db.prepare("DELETE FROM packed WHERE id BETWEEN ? AND ? AND stream = ?");
    this.#addSeal = db.prepare(
      `INSERT INTO seal VALUES(@stream, @epoch, @seq_from, @seq_to, @row_from, @row_to, @boot, @sync, @sealed_ms,
       @t_min, @t_max, @encoder, @sums, @crc)`,
    );
    const seal = "SELECT * FROM seal WHERE stream = ?";
    this.#sealAt = db.prepare(`${seal} AND epoch = ? AND seq_from <= ? ORDER BY seq_from DESC LIMIT 1`);
    this.#sealAfter = db.prepare(`${seal} AND (epoch, seq_from) > (?, ?) ORDER BY epoch, seq_from LIMIT 1`);
    this.#firstSeal = db.prepare(`${seal} ORDER BY epoch, seq_from LIMIT 1`);
    this.#lastSeal = db.prepare(`${seal} ORDER BY epoch DESC, seq_from DESC LIMIT 1`);
    this.#scanSeals = db.prepare(seal);
    this.#outline = db.prepare(
      "SELECT id, boot, sync, t_min, t_max, samples FROM packed WHERE id BETWEEN ? AND ? AND stream = ? ORDER BY id",
    );
    this.#dropSeal = db.prepare("DELETE FROM seal WHERE stream = ? AND epoch = ? AND seq_from = ?");
    this.#addRecord = db.prepare("INSERT INTO record VALUES(?,?,?,?,?,?,?)");
    const record = "SELECT * FROM record";
    this.#recordsAfter = db.prepare(`${record} WHERE (epoch, seq) > (?, ?) ORDER BY epoch, seq LIMIT ?`);
    this.#recordSeqAfter = db
      .prepare<[number, number], number>("SELECT min(seq) FROM record WHERE epoch = ? AND seq > ?")
      .pluck();
    this.#firstLossy = db.prepare(`${record} WHERE kind <> 'gap' ORDER BY epoch, seq LIMIT ?`);
    this.#dropRecord = db.prepare("DELETE FROM record WHERE epoch = ? AND seq = ?");
    this.#dropRecords = db.prepare("DELETE FROM record WHERE epoch = ? AND seq <= ?");
    this.#mark = db.prepare("SELECT * FROM mark WHERE epoch = ? AND stream = ?");
    this.#setMark = db.prepare("INSERT OR REPLACE INTO mark VALUES(?,?,?,?)");
    this.#marks = db.prepare("SELECT * FROM mark ORDER BY epoch, stream");
    this.#addGap = db.prepare("INSERT OR REPLACE INTO gap VALUES(?,?,?,?,?,?,?,?,?,?)");
    this.#gaps = db.prepare("SELECT * FROM gap ORDER BY id");
    this.#dropGap = db.prepare("DELETE FROM gap WHERE id = ?");
    this.#birth = db
      .prepare<[number], Uint8Array>("SELECT payload FROM birth JOIN run ON run.birth = birth.id WHERE run.boot = ?")
      .pluck();
    this.#birthIds = db.prepare(
      "SELECT id, payload, max(boot) AS boot FROM birth JOIN run ON run.birth = birth.id GROUP BY id ORDER BY boot",
    );
    this.#oldestBoot = db
      .prepare<[], number | null>(
        `SELECT min(boot) FROM (SELECT * FROM (SELECT boot FROM packed ORDER BY id LIMIT 1)
         UNION ALL SELECT * FROM (SELECT boot FROM record ORDER BY epoch, seq LIMIT 1))`,
      )
      .pluck();
    this.#newestRow = db.prepare<[], number | null>("SELECT max(id) FROM packed").pluck();
    this.#epochs = db.prepare("SELECT * FROM epoch ORDER BY n");
    this.#meta = db.prepare<[string], string>("SELECT value FROM meta WHERE key = ?").pluck();
    this.#rowFloor = Number(this.meta("row_floor") ?? 0);
  }

  /** Changes with every commit that stores or numbers something. */
  fingerprint(): string {
    return `${this.#newestRow.get() ?? 0} ${JSON.stringify(this.marks())}`;
  }

  addPacked(row: Omit<PackedRow, "id"> & { readonly id?: number }): number {
    const { stream, boot, sync, t_min, t_max, samples, coding, crc, data } = row;
    const next = this.#rowFloor === 0 ? null : Math.max(this.#newestRow.get() ?? 0, this.#rowFloor) + 1;
    return Number(
      this.#addPacked.run(row.id ?? next, stream, boot, sync, t_min, t_max, samples, coding, crc, data).lastInsertRowid,
    );
  }
  packedRange(stream: Stream, from: number, to: number): PackedRow[] {
    return this.#packedRange.all(from, to, stream);
  }
  /**
   * Rows that no seal covers; `sealing`: the epoch under which seals are made, if it is not the latest. Throws RottedSeal
   * when nobody can tell where the last seal ends.
   */
  unsealed(stream: Stream, sealing?: number): PackedRow[] {
    const own = sealing === undefined ? undefined : this.#sealAt.get(stream, sealing, Number.MAX_SAFE_INTEGER);
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
    this.#dropPacked.run(from, to, stream);
  }

  addSeal(row: Omit<SealRow, "crc">): void {
    this.#addSeal.run({ ...row, crc: sealChecksum(row) });
  }
  /** The seal that holds the first stored record after (epoch, seq). Throws RottedSeal. */
  sealAfter(stream: Stream, epoch: number, seq: number): SealRow | undefined {
    const at = this.#sealAt.get(stream, epoch, seq);
    return sound(at !== undefined && at.seq_to > seq ? at : this.#sealAfter.get(stream, epoch, seq));
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
  dropSealRow({ stream, epoch, seq_from }: SealRow): boolean {
    return this.#dropSeal.run(stream, epoch, seq_from).changes === 1;
  }
  dropSeal({ stream, epoch, seq_from, row_from, row_to }: SealRow): void {
    this.dropPacked(stream, row_from, row_to);
    this.#dropSeal.run(stream, epoch, seq_from);
  }

  addRecord(row: RecordRow): void {
    this.#addRecord.run(row.epoch, row.seq, row.boot, row.kind, row.asset, row.sealed_ms, row.plain);
  }
  recordsAfter(epoch: number, seq: number, limit: number): RecordRow[] {
    return this.#recordsAfter.all(epoch, seq, limit);
  }
  /** The oldest critical records that are no gaps: a gap that is dropped would leave its loss untold. */
  firstLossy(limit: number): RecordRow[] {
    return this.#firstLossy.all(limit);
  }
  dropRecord(epoch: number, seq: number): void {
    this.#dropRecord.run(epoch, seq);
  }
  dropRecordsUpTo(epoch: number, seq: number): void {
    this.#dropRecords.run(epoch, seq);
  }
  /** The lowest stored number above `seq`, or undefined. */
  firstSeqAfter(stream: Stream, epoch: number, seq: number): number | undefined {
    if (stream === "c") return this.#recordSeqAfter.get(epoch, seq) ?? undefined;
    const seal = this.sealAfter(stream, epoch, seq);
    return seal?.epoch === epoch ? Math.max(seal.seq_from, seq + 1) : undefined;
  }

  mark(epoch: number, stream: Stream): MarkRow {
    return this.#mark.get(epoch, stream) ?? { epoch, stream, next: 1, acked: 0 };
  }
  marks(): MarkRow[] {
    return this.#marks.all();
  }
  setMark({ epoch, stream, next, acked }: MarkRow): void {
    this.#setMark.run(epoch, stream, next, acked);
  }

  gaps(): GapRow[] {
    return this.#gaps.all();
  }
  /** A new gap (id null) or another state of a known one. */
  putGap(gap: Omit<GapRow, "id"> & { readonly id: number | null }): void {
    const { id, stream, epoch, seq_from, seq_to, samples, reason, t0, t1, since_ms } = gap;
    this.#addGap.run(id, stream, epoch, seq_from, seq_to, samples, reason, t0, t1, since_ms);
  }
  dropGap(id: number): void {
    this.#dropGap.run(id);
  }

  /** Keeps what the cloud will never take; the newest thousand. */
  addDeadLetter({ epoch, stream, seq, plain }: SealedRecord, reason: string, nowMs: number): void {
    const sql = "INSERT INTO dead(epoch, stream, seq, reason, dead_ms, plain) VALUES(?,?,?,?,?,?)";
    this.#db.prepare<unknown[], never>(sql).run(epoch, stream, seq, reason, nowMs, plain);
    this.#db.exec("DELETE FROM dead WHERE id <= (SELECT max(id) FROM dead) - 1000");
  }

  epochs(): EpochRow[] {
    return this.#epochs.all();
  }
  addEpoch(name: string, n: number | null = null): EpochRow {
    return { n: Number(this.#db.prepare("INSERT INTO epoch VALUES(?,?)").run(n, name).lastInsertRowid), name };
  }
  meta(key: string): string | undefined {
    return this.#meta.get(key);
  }
  setMeta(key: string, value: string): void {
    this.#db.prepare("INSERT OR REPLACE INTO meta VALUES(?,?)").run(key, value);
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
    return this.#db.prepare<[], number | null>("SELECT max(boot) FROM run").pluck().get() ?? 0;
  }
  /** The lowest boot that stored rows name; undefined when there are none. */
  oldestBoot(): number | undefined {
    return this.#oldestBoot.get() ?? undefined;
  }
  /** Milliseconds since 1970, among the last rows; 0: none of them has a true time. */
  newestTrueMs(): number {
    const last = "SELECT sync, t_max FROM packed ORDER BY id DESC LIMIT 100";
    const sql = `SELECT max(t_max) FROM (${last}) WHERE sync = 1`;
    return this.#db.prepare<[], number | null>(sql).pluck().get() ?? 0;
  }
  /** Notes the start of a boot and forgets those that no row names any more. */
  beginRun(boot: number, birthId: string, payload: Uint8Array): void {
    this.#db.prepare("DELETE FROM run WHERE boot < ?").run(this.oldestBoot() ?? boot);
    this.addRun(boot, birthId, payload);
    this.#db.exec("DELETE FROM birth WHERE id NOT IN (SELECT birth FROM run)");
  }
  addRun(boot: number, birthId: string, payload: Uint8Array): void {
    this.#db.prepare("INSERT OR IGNORE INTO run VALUES(?,?)").run(boot, birthId);
    this.#db.prepare("INSERT OR IGNORE INTO birth VALUES(?,?)").run(birthId, payload);
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
}
