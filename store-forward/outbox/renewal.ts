/**
 * All that is stored gets numbers of a new epoch (renew.ts says when), in short transactions while commits go on: a large
 * backlog takes minutes. `meta.renewal` names both epochs until all of it is done, so a restart goes on from there.
 *
 * Until then records of older epochs are not given out; those of the new one are, as they come. Samples are still sealed
 * under the old epoch, behind what waits, and renewed in their turn: numbers follow the order of rows, always. The old
 * numbers are closed by a gap without samples at the beginning: they will never come, their samples do, under others.
 *
 * Records of a seal that the cloud acknowledged while others of it wait come again under the new identity: rows hold the
 * samples of all of them.
 */
import { PackedBatches } from "../../core/pack-reader.ts";
import type { BusbarRecord, Gap, Stream } from "../../core/record.ts";
import { crcHolds, parseRecord, sealRecord } from "../../core/record.ts";
import type { Acks } from "./acks.ts";
import { type Reader, samplesOf, sumsOf } from "./reader.ts";
import { type CloudReceipt, noteUnsent } from "./renew.ts";
import { decodeRow } from "./rows.ts";
import type { EpochRow, MarkRow, PackedRow, RecordRow, SealRow } from "./schema.ts";
import { ENCODER } from "./seal.ts";
import type { Store } from "./store.ts";
import { addGap, type CriticalContext } from "./transaction.ts";

const NOTE = "renewal";
/** Records read at once, and packed bytes renewed in one transaction (at least one seal). */
const PAGE = 100;
const STEP_BYTES = 64 * 1024;

interface Note {
  /** Numbers of epochs: where samples are sealed until all is done, and under which all of it goes. */
  readonly from: number;
  readonly to: number;
}

export interface RenewalOptions extends CriticalContext {
  readonly reader: Reader;
  readonly acks: Acks;
  readonly epochs: ReadonlyMap<number, EpochRow>;
}

/** Inside a transaction: `context.identity.epoch` is the new epoch, just added; `receipt` is of the one that ends. */
export function beginRenewal(context: CriticalContext, from: EpochRow, receipt: CloudReceipt): void {
  const { store, identity, nowMs } = context;
  const note: Note = { from: from.n, to: identity.epoch.n };
  store.setMeta(NOTE, JSON.stringify(note));
  noteUnsent(store, identity.epoch);
  const names = new Map(store.epochs().map(({ n, name }) => [n, name]));
  for (const { epoch, stream: c, next, acked } of store.marks()) {
    const name = names.get(epoch) ?? "";
    const first = Math.max(acked, name === receipt.epoch ? receipt.upto[c] : 0) + 1;
    if (first >= next) continue;
    const range = { from: first, to: next - 1 };
    addGap(context, { c, epoch: name, ...range, samples: 0, reason: "corrupt", t0: nowMs, t1: nowMs });
  }
}

/** What is under way, or undefined. */
export function renewalOf(store: Store): Note | undefined {
  const text = store.meta(NOTE) ?? "";
  return text === "" ? undefined : (JSON.parse(text) as Note);
}

/** Inside a transaction: renews a little. True when that was the last of it. Throws RottedSeal. */
export function renewSome(options: RenewalOptions, { to }: Note): boolean {
  const { store } = options;
  let left = STEP_BYTES;
  while (left > 0) {
    const bytes = renewCritical(options, to) ?? renewFirst(options, "t", to) ?? renewFirst(options, "b", to);
    if (bytes === undefined) {
      store.setMeta(NOTE, "");
      for (const mark of store.marks()) if (mark.epoch < to) store.setMark({ ...mark, acked: mark.next - 1 });
      return true;
    }
    left -= bytes;
  }
  return false;
}

/** Bytes that were looked at; undefined when there are none left. */
function renewCritical(options: RenewalOptions, to: number): number | undefined {
  const { store, acks, epochs } = options;
  const rows = store.recordsAfter(0, 0, PAGE).filter((row) => row.epoch < to);
  if (rows.length === 0) return undefined;
  const name = epochs.get(to)?.name ?? "";
  for (const row of rows) {
    store.dropRecord(row.epoch, row.seq);
    passed(store, row.epoch, "c", row.seq);
    if (acks.has("c", row.epoch, row.seq)) continue;
    const mark = store.mark(to, "c");
    const plain = resealed(row, name, mark.next);
    if (plain === undefined) {
      const { seq, sealed_ms: ms } = row;
      const lost = { from: seq, to: seq, samples: null, t0: ms, t1: ms };
      tellCorrupt(options, { c: "c", epoch: row.epoch, ...lost });
      continue;
    }
    store.addRecord({ ...row, epoch: to, seq: mark.next, plain });
    store.setMark({ ...mark, next: mark.next + 1 });
  }
  return rows.reduce((sum, { plain }) => sum + plain.length, 1);
}

function renewFirst(options: RenewalOptions, stream: "t" | "b", to: number): number | undefined {
  const { store } = options;
  const seal = store.firstSeal(stream);
  if (seal === undefined || seal.epoch >= to) return undefined;
  passed(store, seal.epoch, stream, seal.seq_to);
  if (isDelivered(options, seal)) {
    store.dropSeal(seal);
    return 1;
  }
  const rows = store.packedRange(stream, seal.row_from, seal.row_to);
  if (!renewSeal(options, seal, { rows, to })) {
    const { seq_from: from, seq_to, epoch, t_min: t0, t_max: t1 } = seal;
    store.dropSeal(seal);
    tellCorrupt(options, { c: stream, epoch, from, to: seq_to, samples: samplesOf(seal, from, seq_to), t0, t1 });
  }
  return rows.reduce((sum, { data }) => sum + data.length, 1);
}

/** False when its rows are not what was sealed. */
function renewSeal(
  { store, reader }: RenewalOptions,
  old: SealRow,
  { rows, to }: { readonly rows: readonly PackedRow[]; readonly to: number },
): boolean {
  const mark = store.mark(to, old.stream);
  const { sums: _sums, crc: _crc, seq_to: _to, ...kept } = old;
  const draft = { ...kept, epoch: to, seq_from: mark.next, encoder: ENCODER };
  const raw = decoded(rows);
  if (raw === undefined || store.birthOf(old.boot) === undefined || !isWhole(reader, old, rows)) return false;
  const { records } = reader.build(draft, new PackedBatches(raw));
  if (records.length === 0) return false;
  store.dropSealRow(old);
  const next = mark.next + records.length;
  store.addSeal({ ...draft, seq_to: next - 1, sums: sumsOf(records) });
  store.setMark({ ...mark, next });
  return true;
}

/** A seal that was mended (mend.ts) without proof may name rows of its neighbours. */
function isWhole(reader: Reader, seal: SealRow, rows: readonly PackedRow[]): boolean {
  const held = rows.reduce((sum, { samples }) => sum + samples, 0);
  if (held === samplesOf(seal, seal.seq_from, seal.seq_to)) return true;
  return reader.proven(seal) === seal.seq_to - seal.seq_from + 1;
}

function decoded(rows: readonly PackedRow[]): Uint8Array[] | undefined {
  try {
    return rows.map(decodeRow);
  } catch {
    return undefined;
  }
}

function isDelivered({ acks }: RenewalOptions, { stream, epoch, seq_from, seq_to }: SealRow): boolean {
  for (let seq = seq_from; seq <= seq_to; seq++) if (!acks.has(stream, epoch, seq)) return false;
  return true;
}

/** The same record under another number; undefined when its bytes are damaged. */
function resealed({ plain }: RecordRow, epoch: string, seq: number): Buffer | undefined {
  if (!crcHolds(plain)) return undefined;
  const record: BusbarRecord = parseRecord(plain);
  const text = Buffer.from(plain).toString();
  // No member before `t0` holds a quote, so this is the header's own.
  const head = `"t0":${record.t0},`;
  const body = text.slice(text.indexOf(head) + head.length, text.lastIndexOf(',"crc":"'));
  return sealRecord({ ...record, epoch, seq }, body);
}

/** Nothing of the old epoch is left up to here. */
function passed(store: Store, epoch: number, stream: Stream, acked: number): void {
  const mark: MarkRow = store.mark(epoch, stream);
  store.setMark({ ...mark, acked: Math.max(mark.acked, acked) });
}

function tellCorrupt(options: RenewalOptions, lost: Omit<Gap, "epoch" | "reason"> & { readonly epoch: number }): void {
  addGap(options, { ...lost, epoch: options.epochs.get(lost.epoch)?.name ?? "", reason: "corrupt" });
}
