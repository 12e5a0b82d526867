/** Sealed records as they are read: lazily, few at a time, each verified before anybody gets it. */
import { PackedBatches } from "../../core/pack-reader.ts";
import type { Stream } from "../../core/record.ts";
import { crcHolds, parseRecord } from "../../core/record.ts";
import type { Batch } from "../../core/sample.ts";
import { birthIdOf, signalsOfBirth } from "../../core/signals.ts";
import type { SealedRecord } from "../queue.ts";
import type { Acks } from "./acks.ts";
import { Lots } from "./lots.ts";
import { viewRow } from "./rows.ts";
import type { EpochRow, PackedRow, RecordRow, SealRow } from "./schema.ts";
import { ENCODER, type Room, Sealer, type SealResult } from "./seal.ts";
import type { Store } from "./store.ts";

/** Rebuilt records kept for the next call; what was just sealed is sent without being built again. */
const MAX_KEPT_BYTES = 2 * 1024 * 1024;

/** A run of records that will never leave again as records: not what was sealed, or refused for good. */
export interface LostRecords {
  readonly reason: "corrupt" | "rejected";
  readonly stream: Stream;
  readonly epoch: EpochRow;
  readonly from: number;
  readonly to: number;
  readonly samples: number | null;
  readonly t0: number;
  readonly t1: number;
}

export interface ReaderOptions {
  readonly store: Store;
  readonly acks: Acks;
  readonly gateway: string;
  readonly epochs: ReadonlyMap<number, EpochRow>;
  readonly onCorrupt: (records: LostRecords) => void;
}

export class Reader {
  readonly #options: ReaderOptions;
  /** By stream, epoch and first number; in order of use. */
  readonly #kept = new Map<string, readonly SealedRecord[]>();
  #keptBytes = 0;
  readonly #lots = new Lots();
  #sealer: { readonly boot: number; readonly sealer: Sealer } | undefined;

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  /** Records after (epoch, seq) in order that are not acknowledged: at most `limit`, fewer only when there are no more. */
  read(stream: Stream, after: { readonly epoch: number; readonly seq: number }, limit: number): SealedRecord[] {
    const found: SealedRecord[] = [];
    let at = after;
    while (found.length < limit) {
      const next = stream === "c" ? this.#critical(at, limit) : this.#sealed(stream, at);
      if (next === undefined) break;
      const room = limit - found.length;
      found.push(...next.records.slice(0, room));
      // Given out whole, it is not asked for again: kept longer, a drain's memory would grow by what it has passed.
      if (next.key !== undefined && next.records.length <= room) this.#forget(next.key);
      at = next.end;
    }
    return found;
  }

  /** The bytes of these records, which `read` gave, are not needed any more: others may be built in their place. */
  spent(records: readonly SealedRecord[]): void {
    for (const key of this.#lots.spent(records)) this.#forget(key);
  }

  /** Something is stored after (epoch, seq) and before the epoch `end`. */
  hasBefore(stream: Stream, { epoch, seq }: { readonly epoch: number; readonly seq: number }, end: number): boolean {
    const { store } = this.#options;
    const next = stream === "c" ? store.recordsAfter(epoch, seq, 1)[0] : store.sealAfter(stream, epoch, seq);
    return next !== undefined && next.epoch < end;
  }

  /** Records that were sealed just now: kept until others take their place. */
  keep(seal: Pick<SealRow, "stream" | "epoch" | "seq_from">, records: readonly SealedRecord[]): void {
    const key = keyOf(seal);
    this.#kept.set(key, records);
    this.#keptBytes += sizeOf(records);
    for (const oldest of this.#kept.keys()) {
      if (this.#keptBytes <= MAX_KEPT_BYTES || oldest === key) break;
      this.#forget(oldest);
    }
  }

  /** What the batches of one seal become. */
  build(seal: Omit<SealRow, "seq_to" | "sums" | "crc">, batches: Iterable<Batch>, room?: Room): SealResult {
    const { stream, boot, sync, seq_from: firstSeq } = seal;
    const epoch = this.#options.epochs.get(seal.epoch)?.name ?? "";
    return this.#sealerOf(boot).seal(batches, { epoch, stream, boot, sync: sync === 1, firstSeq }, room);
  }

  /** How many of its records come out as it says. */
  proven(seal: SealRow): number {
    return this.#verified(seal).good.length;
  }

  #critical(after: { readonly epoch: number; readonly seq: number }, limit: number) {
    const rows = this.#options.store.recordsAfter(after.epoch, after.seq, Math.min(limit, 100));
    const last = rows.at(-1);
    if (last === undefined) return undefined;
    const records: SealedRecord[] = [];
    for (const row of rows) {
      if (this.#options.acks.has("c", row.epoch, row.seq)) continue;
      const record = this.#recordOf(row);
      if (record !== undefined) records.push(record);
    }
    return { records, end: last, key: undefined };
  }

  #recordOf(row: RecordRow): SealedRecord | undefined {
    const epoch = this.#options.epochs.get(row.epoch);
    if (epoch === undefined) return undefined;
    const { seq, kind, asset, sealed_ms: sealedMs } = row;
    const plain = row.plain instanceof Uint8Array ? Buffer.from(row.plain) : Buffer.alloc(0);
    if (!crcHolds(plain) || !isOf(row, plain)) {
      this.#options.onCorrupt({
        reason: "corrupt",
        stream: "c",
        epoch,
        from: seq,
        to: seq,
        samples: null,
        t0: sealedMs,
        t1: sealedMs,
      });
      return undefined;
    }
    const record = { epoch: epoch.name, stream: "c" as const, seq, kind, sealedMs, plain };
    return asset === null ? record : { ...record, asset };
  }

  #sealed(stream: Stream, after: { readonly epoch: number; readonly seq: number }) {
    const { store, acks } = this.#options;
    const seal = store.sealAfter(stream, after.epoch, after.seq);
    if (seal === undefined) return undefined;
    const from = seal.epoch === after.epoch ? after.seq : 0;
    const records = this.#recordsOf(seal).filter(({ seq }) => seq > from && !acks.has(stream, seal.epoch, seq));
    return { records, end: { epoch: seal.epoch, seq: seal.seq_to }, key: keyOf(seal) };
  }

  #recordsOf(seal: SealRow): readonly SealedRecord[] {
    const kept = this.#kept.get(keyOf(seal));
    if (kept !== undefined) return kept;
    let memory: Buffer | undefined;
    const { good, bad } = this.#verified(seal, (bytes) => {
      memory = this.#lots.room(bytes);
      return memory;
    });
    const last = good.at(-1);
    if (memory !== undefined && last !== undefined) this.#lots.lend({ key: keyOf(seal), last, memory });
    const untold = bad.filter((seq) => !this.#options.acks.has(seal.stream, seal.epoch, seq));
    for (const run of runsOf(untold)) this.#tellCorrupt(seal, run.from, run.to);
    this.keep(seal, good);
    return good;
  }

  #forget(key: string): void {
    this.#keptBytes -= sizeOf(this.#kept.get(key) ?? []);
    this.#kept.delete(key);
  }

  #verified(seal: SealRow, room?: Room): { readonly good: readonly SealedRecord[]; readonly bad: readonly number[] } {
    const built = this.#rebuild(seal, room);
    const named = namedRecords(seal, this.#options.epochs.get(seal.epoch)?.name ?? "", built);
    const sums = new DataView(seal.sums.buffer, seal.sums.byteOffset, seal.sums.byteLength);
    const good: SealedRecord[] = [];
    const bad: number[] = [];
    for (let index = 0; index <= seal.seq_to - seal.seq_from; index++) {
      const record = named[index];
      const holds = record !== undefined && 8 * index + 8 <= sums.byteLength;
      if (holds && built[index]?.crc === sums.getUint32(8 * index, true)) good.push(record);
      else bad.push(seal.seq_from + index);
    }
    return { good, bad };
  }

  #rebuild(seal: SealRow, room?: Room): SealResult["records"] {
    if (seal.encoder !== ENCODER) return [];
    try {
      const rows = this.#options.store.packedRange(seal.stream, seal.row_from, seal.row_to);
      return this.build(seal, new PackedBatches(views(rows)), room).records;
    } catch (error) {
      // What cannot be decoded is a loss to tell; what SQLite cannot read is for the outbox to handle.
      if (error instanceof Error && "code" in error && String(error.code).startsWith("SQLITE_")) throw error;
      return [];
    }
  }

  #tellCorrupt(seal: SealRow, from: number, to: number): void {
    const epoch = this.#options.epochs.get(seal.epoch);
    if (epoch === undefined) return;
    const samples = samplesOf(seal, from, to);
    this.#options.onCorrupt({
      reason: "corrupt",
      stream: seal.stream,
      epoch,
      from,
      to,
      samples,
      t0: seal.t_min,
      t1: seal.t_max,
    });
  }

  #sealerOf(boot: number): Sealer {
    if (this.#sealer?.boot === boot) return this.#sealer.sealer;
    const payload = this.#options.store.birthOf(boot);
    if (payload === undefined) throw new RangeError(`boot ${boot} names no birth`);
    const { gw: gateway } = JSON.parse(Buffer.from(payload).toString()) as { gw: string };
    const sealer = new Sealer({ birthId: birthIdOf(payload), gateway, signals: signalsOfBirth(payload) });
    this.#sealer = { boot, sealer };
    return sealer;
  }
}

/** The columns beside it say what the record does: they decide where it goes, and what an acknowledgement means. */
function isOf({ seq, kind, asset }: RecordRow, plain: Buffer): boolean {
  const record = parseRecord(plain);
  return record.seq === seq && record.k === kind && (record.asset ?? null) === asset;
}

/** Unpacked, each until the next is taken. */
function* views(rows: readonly PackedRow[]): Generator<Uint8Array, void, void> {
  for (const row of rows) yield viewRow(row);
}

/** Encoded records under their identity. */
export function namedRecords(
  seal: Pick<SealRow, "stream" | "seq_from" | "sealed_ms">,
  epoch: string,
  records: SealResult["records"],
): SealedRecord[] {
  return records.map(({ asset, plain }, index) => {
    const { stream, sealed_ms: sealedMs, seq_from } = seal;
    return { epoch, stream, seq: seq_from + index, kind: "data", asset, sealedMs, plain };
  });
}

/** Checksums and sample counts of encoded records, as a seal stores them. */
export function sumsOf(records: SealResult["records"]): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 * records.length));
  let at = 0;
  for (const { crc, samples } of records) {
    view.setUint32(at, crc, true);
    view.setUint32(at + 4, samples, true);
    at += 8;
  }
  return new Uint8Array(view.buffer);
}

/** Samples in records `from` to `to` of a seal that `counts` says yes to. */
export function samplesOf(seal: SealRow, from: number, to: number, counts = (_seq: number): boolean => true): number {
  const view = new DataView(seal.sums.buffer, seal.sums.byteOffset, seal.sums.byteLength);
  let samples = 0;
  for (let seq = from; seq <= to; seq++) {
    const at = 8 * (seq - seal.seq_from) + 4;
    if (at + 4 <= view.byteLength && counts(seq)) samples += view.getUint32(at, true);
  }
  return samples;
}

function keyOf({ stream, epoch, seq_from }: Pick<SealRow, "stream" | "epoch" | "seq_from">): string {
  return `${stream}${epoch}/${seq_from}`;
}

function sizeOf(records: readonly SealedRecord[]): number {
  return records.reduce((sum, { plain }) => sum + plain.length, 0);
}

function runsOf(seqs: readonly number[]): { from: number; to: number }[] {
  const runs: { from: number; to: number }[] = [];
  for (const seq of seqs) {
    const last = runs.at(-1);
    if (last !== undefined && last.to === seq - 1) last.to = seq;
    else runs.push({ from: seq, to: seq });
  }
  return runs;
}
