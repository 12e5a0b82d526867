/**
 * The cloud's receipt, and the new epoch that it may call for (DESIGN §2). A receipt above what this file can have sent
 * says that the file is an image from the past: the numbers that it would give out are used for other samples.
 *
 * What can have been sent: `meta.unsent`, noted at a start and struck out durably before the process's first record
 * leaves, holds the numbers from which on nothing was sent, over any number of starts without a link. Without it, all
 * that was given out may have been sent.
 *
 * Renewing seals everything that is stored anew, in one transaction. Records of a seal that the cloud acknowledged
 * while others of it wait come again under the new identity: rows hold the samples of all of them.
 */
import type { BusbarRecord, Gap, Stream } from "../../core/record.ts";
import { crcHolds, parseRecord, STREAMS, sealRecord } from "../../core/record.ts";
import type { Acks } from "./acks.ts";
import { type Reader, samplesOf, sumsOf, unpackAll } from "./reader.ts";
import { decodeRow } from "./rows.ts";
import type { EpochRow, RecordRow, SealRow } from "./schema.ts";
import { ENCODER } from "./seal.ts";
import type { Store } from "./store.ts";
import { addGap, type CriticalContext } from "./transaction.ts";

const UNSENT = "unsent";
const PAGE = 100;

/** Highest contiguous number per stream of an epoch that the cloud holds. */
export interface CloudReceipt {
  readonly epoch: string;
  readonly upto: Readonly<Record<Stream, number>>;
}

export interface RenewOptions extends CriticalContext {
  /** What the cloud says of the epoch that ends. */
  readonly receipt: CloudReceipt;
  readonly reader: Reader;
  readonly acks: Acks;
  /** Every epoch of the file, the new one (`identity.epoch`) included. */
  readonly epochs: ReadonlyMap<number, EpochRow>;
}

/** Inside a transaction, at a start: from here on nothing was sent, unless an earlier start noted a lower number. */
export function noteUnsent(store: Store, { n, name }: EpochRow): void {
  if (unsentOf(store, name) !== undefined) return;
  const next = Object.fromEntries(STREAMS.map((stream) => [stream, store.mark(n, stream).next]));
  store.setMeta(UNSENT, JSON.stringify({ epoch: name, ...next }));
}

/** Durable when it returns: whatever was given out may be sent from now on. */
export function strikeUnsent(store: Store): void {
  if (store.meta(UNSENT) !== "") store.transaction(() => store.setMeta(UNSENT, ""));
}

/** The cloud holds numbers of this epoch that this file cannot have sent. */
export function isAhead(store: Store, { n, name }: EpochRow, upto: CloudReceipt["upto"]): boolean {
  const unsent = unsentOf(store, name);
  return STREAMS.some((stream) => upto[stream] >= (unsent?.[stream] ?? store.mark(n, stream).next));
}

/** Inside a transaction: gives everything that is stored a number of `identity.epoch`, and closes the epochs before. */
export function renewAll(options: RenewOptions): void {
  const { store, identity, epochs, receipt } = options;
  const { epoch } = identity;
  const gaps = [...renewCritical(options), ...renewSealed(options, "t"), ...renewSealed(options, "b")];
  for (const mark of store.marks().filter((row) => row.epoch !== epoch.n)) {
    const name = epochs.get(mark.epoch)?.name ?? "";
    const known = name === receipt.epoch ? receipt.upto[mark.stream] : 0;
    const from = Math.max(mark.acked, known) + 1;
    // These numbers will never come; their samples do, under others.
    if (from < mark.next) gaps.push(closing(options, mark.stream, name, { from, to: mark.next - 1 }));
    store.setMark({ ...mark, acked: mark.next - 1 });
  }
  for (const gap of gaps) addGap(options, gap);
  noteUnsent(store, epoch);
}

function renewCritical({ store, acks, identity, epochs }: RenewOptions): Gap[] {
  const lost: Gap[] = [];
  let seq = 1;
  for (;;) {
    const rows = store.recordsAfter(0, 0, PAGE).filter((row) => row.epoch !== identity.epoch.n);
    if (rows.length === 0) break;
    for (const row of rows) {
      store.dropRecord(row.epoch, row.seq);
      if (acks.has("c", row.epoch, row.seq)) continue;
      const plain = resealed(row, identity.epoch.name, seq);
      if (plain !== undefined) store.addRecord({ ...row, epoch: identity.epoch.n, seq: seq++, plain });
      else lost.push(corrupt("c", epochs.get(row.epoch)?.name ?? "", row.seq, row.sealed_ms));
    }
  }
  store.setMark({ epoch: identity.epoch.n, stream: "c", next: seq, acked: 0 });
  return lost;
}

/** Seal by seal, so that no more than one is in memory. */
function renewSealed(options: RenewOptions, stream: "t" | "b"): Gap[] {
  const { store, identity, epochs } = options;
  const lost: Gap[] = [];
  let next = 1;
  for (;;) {
    const seal = store.firstSeal(stream);
    if (seal === undefined || seal.epoch === identity.epoch.n) break;
    const count = isDelivered(options, seal) ? 0 : renewSeal(options, seal, next);
    next += count ?? 0;
    if (count === 0) store.dropSeal(seal);
    if (count !== undefined) continue;
    store.dropSeal(seal);
    const { seq_from: from, seq_to: to, t_min: t0, t_max: t1 } = seal;
    const samples = samplesOf(seal, from, to);
    lost.push({ c: stream, epoch: epochs.get(seal.epoch)?.name ?? "", from, to, samples, reason: "corrupt", t0, t1 });
  }
  store.setMark({ epoch: identity.epoch.n, stream, next, acked: 0 });
  return lost;
}

/** How many records it became; undefined when its rows are damaged. */
function renewSeal({ store, reader, identity }: RenewOptions, old: SealRow, next: number): number | undefined {
  const { sums: _sums, crc: _crc, seq_to: _to, ...kept } = old;
  const draft = { ...kept, epoch: identity.epoch.n, seq_from: next, encoder: ENCODER };
  const rows = rowsOf(store, old);
  if (rows === undefined) return undefined;
  const { records } = reader.build(draft, unpackAll(rows));
  if (records.length === 0) return 0;
  store.dropSealRow(old);
  store.addSeal({ ...draft, seq_to: next + records.length - 1, sums: sumsOf(records) });
  return records.length;
}

function rowsOf(store: Store, { stream, row_from, row_to }: SealRow): Uint8Array[] | undefined {
  const rows = store.packedRange(stream, row_from, row_to);
  try {
    return rows.map(decodeRow);
  } catch {
    return undefined;
  }
}

function isDelivered({ acks }: RenewOptions, { stream, epoch, seq_from, seq_to }: SealRow): boolean {
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

function closing({ nowMs }: RenewOptions, c: Stream, epoch: string, range: { from: number; to: number }): Gap {
  return { c, epoch, ...range, samples: 0, reason: "corrupt", t0: nowMs, t1: nowMs };
}

function corrupt(c: Stream, epoch: string, seq: number, ms: number): Gap {
  return { c, epoch, from: seq, to: seq, samples: null, reason: "corrupt", t0: ms, t1: ms };
}

function unsentOf(store: Store, epoch: string): Record<Stream, number> | undefined {
  const text = store.meta(UNSENT) ?? "";
  if (text === "") return undefined;
  const noted = JSON.parse(text) as Record<Stream, number> & { readonly epoch: string };
  return noted.epoch === epoch ? noted : undefined;
}
