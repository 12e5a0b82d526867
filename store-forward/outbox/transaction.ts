/** What one commit does, all of it or nothing. Nothing in memory changes here: the outbox does that after the commit. */
import { PackedBatches } from "../../core/pack-reader.ts";
import type { Gap } from "../../core/record.ts";
import { sealRecord } from "../../core/record.ts";
import type { SealedRecord } from "../queue.ts";
import type { Vanished } from "./acks.ts";
import { expire } from "./expiry.ts";
import { gapBody, gapsDue, growGap } from "./gaps.ts";
import type { Identity } from "./identity.ts";
import type { Losses, PendingBatches, PendingCritical } from "./pending.ts";
import type { LostRecords, Reader } from "./reader.ts";
import { namedRecords, sumsOf } from "./reader.ts";
import { makeRoom, type RoomOptions } from "./retention.ts";
import { encodeRow } from "./rows.ts";
import type { EpochRow, MarkRow, PackedRow, SealRow } from "./schema.ts";
import { ENCODER } from "./seal.ts";
import type { Store } from "./store.ts";
import { noteTold } from "./told.ts";

/** One row, and what one seal is made of (1,000 samples a second for a minute): what a read must hold in memory at once. */
const MAX_ROW_BYTES = 256 * 1024;
export const MAX_SEAL_BYTES = 1024 * 1024;
const TELEMETRY = "t";

type UncheckedSeal = Omit<SealRow, "crc">;
const NOTHING_SEALED = { sealed: [], unknown: 0 };

/** A committed row that no seal covers yet, with its bytes unpacked from zstd. */
export interface OpenRow extends Pick<PackedRow, "id" | "boot" | "sync" | "t_min" | "t_max"> {
  readonly raw: Uint8Array;
}

/** Handed on as it is: spreading it all over one object costs more than the rest of a small commit's code. */
export interface CommitInput {
  readonly session: Pick<CriticalContext, "store" | "gateway" | "birthId"> & {
    /** Milliseconds; undefined: no age is too high. */
    readonly expireAfterMs?: number;
  };
  readonly known: Pick<RoomOptions, "acks" | "epochs"> & {
    readonly reader: Reader;
    readonly open: readonly OpenRow[];
  };
  readonly work: {
    readonly batches: readonly PendingBatches[];
    readonly critical: readonly PendingCritical[];
    readonly losses: Losses;
    readonly lost: readonly LostRecords[];
    /** Critical records say that times are true. */
    readonly synced: boolean;
    readonly seal: boolean;
    readonly linkUp: boolean;
    readonly nowMs: number;
    readonly publishIntervalMs: number;
    /** The gateway stops: tell every gap. */
    readonly final: boolean;
  };
  readonly identity: Identity;
  /** Samples are sealed under it; mostly the identity's (renewal.ts). */
  readonly sealing: EpochRow;
  readonly limitBytes: number;
}

export interface CommitResult {
  readonly open: readonly OpenRow[];
  readonly sealed: readonly { readonly seal: UncheckedSeal; readonly records: readonly SealedRecord[] }[];
  readonly flushed: readonly MarkRow[];
  readonly marks: readonly MarkRow[];
  /** Samples dropped to make room. */
  readonly dropped: number;
  /** Samples too old to be worth sending. */
  readonly expired: number;
  /** Samples whose signal no birth names. */
  readonly unknown: number;
}

export function commitAll(input: CommitInput): CommitResult {
  const { session, known, work, identity, limitBytes } = input;
  const { store, gateway, birthId, expireAfterMs } = session;
  const { acks, epochs } = known;
  const { nowMs, synced } = work;
  const context = { store, identity, birthId, gateway, synced, nowMs };
  const expired = expire({ store, acks, epochs, nowMs, synced, boot: identity.boot, expireAfterMs });
  const dropped = makeRoom({ store, acks, epochs, nowMs, limitBytes, bytes: bytesOf(work) });
  for (const lost of work.lost) addGap(context, gapOf(lost));
  noteLosses(context, work.losses);
  const stored = storeRows(store, identity.boot, work.batches);
  const rows = known.open.length === 0 ? stored : [...known.open, ...stored];
  const { sealed, unknown } = work.seal ? sealRows(input, rows) : NOTHING_SEALED;
  for (const record of work.critical) addCritical(context, record);
  const { linkUp, publishIntervalMs } = work;
  for (const gap of gapsDue(store.gaps(), { nowMs, linkUp, publishIntervalMs, all: work.final })) {
    addCritical(context, { kind: "gap", t0: nowMs, body: gapBody(gap) });
    store.dropGap(gap.id);
  }
  const flushed = acks.flush(store, (lost) => addGap(context, vanished(epochs, nowMs, lost)));
  noteTold(store, work.lost, epochs);
  return { open: work.seal ? [] : rows, sealed, flushed, marks: store.marks(), dropped, unknown, expired };
}

/** What is about to be written. */
function bytesOf({ batches, critical }: CommitInput["work"]): number {
  let bytes = 0;
  for (const batch of batches) bytes += batch.bytes.length;
  for (const { body } of critical) bytes += body.length;
  return bytes;
}

/** Numbers and stores one record of stream c. */
export function addCritical(
  { store, identity, birthId, gateway: gw, synced, nowMs }: CriticalContext,
  { kind, asset, t0, body, synced: known = synced }: PendingCritical,
): void {
  const { boot, epoch } = identity;
  const mark = store.mark(epoch.n, "c");
  const header = {
    k: kind,
    gw,
    epoch: epoch.name,
    c: "c",
    seq: mark.next,
    boot,
    sync: known,
    birth: birthId,
    t0,
  } as const;
  const plain = sealRecord(asset === undefined ? header : { ...header, asset }, body);
  const row = { epoch: epoch.n, seq: mark.next, boot, kind, asset: asset ?? null, sealed_ms: nowMs, plain };
  store.addRecord(row);
  store.setMark({ ...mark, next: mark.next + 1 });
}

export interface CriticalContext extends Pick<RoomOptions, "store" | "nowMs"> {
  readonly identity: Identity;
  readonly birthId: string;
  readonly gateway: string;
  /** Times are true. */
  readonly synced: boolean;
}

export function addGap(context: CriticalContext, gap: Gap): void {
  addCritical(context, { kind: "gap", t0: context.nowMs, body: `"gap":${JSON.stringify(gap)}` });
}

function gapOf({ stream: c, epoch, from, to, samples, reason, t0, t1 }: LostRecords): Gap {
  return { c, epoch: epoch.name, from, to, samples, reason, t0, t1 };
}

function vanished(epochs: ReadonlyMap<number, EpochRow>, nowMs: number, { epoch, from, to }: Vanished): Gap {
  const name = epochs.get(epoch)?.name ?? "";
  return { c: "c", epoch: name, from, to, samples: null, reason: "corrupt", t0: 0, t1: nowMs };
}

/** Samples that never got a number. */
function noteLosses({ store, identity, nowMs }: CriticalContext, { overload, corrupt, critical }: Losses): void {
  const unnumbered = { epoch: identity.epoch.name, from: null, to: null };
  if (overload !== undefined) growGap(store, { c: "t", ...unnumbered, ...overload, reason: "overload" }, nowMs);
  if (corrupt !== undefined) growGap(store, { c: "t", ...unnumbered, ...corrupt, reason: "corrupt" }, nowMs);
  if (critical === undefined) return;
  growGap(store, { c: "c", ...unnumbered, ...critical, samples: null, reason: "overload" }, nowMs);
}

function storeRows(store: Store, boot: number, batches: readonly PendingBatches[]): readonly OpenRow[] {
  return chunks(batches, MAX_ROW_BYTES, ({ bytes }) => bytes.length, sameSync).map((chunk) => {
    const [first = missing()] = chunk;
    const sync = first.synced ? 1 : 0;
    let { t0: t_min, t1: t_max, samples } = first;
    for (let i = 1; i < chunk.length; i++) {
      const { t0, t1, samples: more } = chunk[i] ?? missing();
      t_min = Math.min(t_min, t0);
      t_max = Math.max(t_max, t1);
      samples += more;
    }
    const raw = chunk.length === 1 ? first.bytes : Buffer.concat(chunk.map(({ bytes }) => bytes));
    const id = store.addPacked(encodeRow({ stream: TELEMETRY, boot, sync, t_min, t_max, samples }, raw));
    return { id, boot, sync, t_min, t_max, raw };
  });
}

function sealRows(input: CommitInput, rows: readonly OpenRow[]): Pick<CommitResult, "sealed" | "unknown"> {
  const sealed: { seal: UncheckedSeal; records: readonly SealedRecord[] }[] = [];
  let unknown = 0;
  for (const chunk of chunks(rows, MAX_SEAL_BYTES, ({ raw }) => raw.length, sameRun)) {
    const made = sealChunk(input, chunk);
    unknown += made.unknown;
    if (made.seal !== undefined) sealed.push({ seal: made.seal, records: made.records });
  }
  return { sealed, unknown };
}

function sealChunk({ session, known, work, sealing }: CommitInput, rows: readonly OpenRow[]) {
  const { store } = session;
  const [first = missing(), last = missing()] = [rows[0], rows.at(-1)];
  const mark = store.mark(sealing.n, TELEMETRY);
  const draft = {
    stream: TELEMETRY,
    epoch: sealing.n,
    seq_from: mark.next,
    row_from: first.id,
    row_to: last.id,
    boot: first.boot,
    sync: first.sync,
    sealed_ms: work.nowMs,
    t_min: Math.min(...rows.map((row) => row.t_min)),
    t_max: Math.max(...rows.map((row) => row.t_max)),
    encoder: ENCODER,
  } as const;
  const { records, unknown } = known.reader.build(draft, new PackedBatches(rows.map(({ raw }) => raw)));
  if (records.length === 0) {
    store.dropPacked(TELEMETRY, first.id, last.id);
    return { unknown, records: [] };
  }
  const seal: UncheckedSeal = { ...draft, seq_to: mark.next + records.length - 1, sums: sumsOf(records) };
  store.addSeal(seal);
  store.setMark({ ...mark, next: seal.seq_to + 1 });
  return { unknown, seal, records: namedRecords(seal, sealing.name, records) };
}

function sameSync(one: PendingBatches, other: PendingBatches): boolean {
  return one.synced === other.synced;
}

function sameRun(one: OpenRow, other: OpenRow): boolean {
  return one.boot === other.boot && one.sync === other.sync;
}

function missing(): never {
  throw new RangeError("a chunk is never empty");
}

/** Neighbours together, up to `maxBytes` (at least one) and while `alike`. */
function chunks<T>(
  items: readonly T[],
  maxBytes: number,
  bytesOf: (item: T) => number,
  alike: (one: T, other: T) => boolean,
): T[][] {
  const all: T[][] = [];
  let bytes = 0;
  for (const item of items) {
    const chunk = all.at(-1);
    const last = chunk?.at(-1);
    bytes += bytesOf(item);
    if (chunk !== undefined && last !== undefined && bytes <= maxBytes && alike(last, item)) chunk.push(item);
    else {
      all.push([item]);
      bytes = bytesOf(item);
    }
  }
  return all;
}
