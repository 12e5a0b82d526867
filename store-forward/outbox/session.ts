/** One opened outbox file: its identity, what is known of it in memory, and commits that keep both in step. */
import type { Stream } from "../../core/record.ts";
import { STREAMS } from "../../core/record.ts";
import type { BootState } from "../boot.ts";
import type { OutboxStatus } from "../protocol.ts";
import type { Position, SealedRecord } from "../queue.ts";
import { Acks } from "./acks.ts";
import { gapsDue, growGap } from "./gaps.ts";
import { type Beginning, beginRun, type Identity } from "./identity.ts";
import { type LostRecords, Reader } from "./reader.ts";
import { spanOfRecord } from "./record-span.ts";
import { type Budget, limitBytes } from "./retention.ts";
import { decodeRow } from "./rows.ts";
import type { EpochRow, PackedRow } from "./schema.ts";
import type { Store } from "./store.ts";
import { addGap, type CommitInput, commitAll, type OpenRow } from "./transaction.ts";

export interface SessionOptions {
  readonly store: Store;
  readonly path: string;
  readonly gateway: string;
  readonly birth: Uint8Array;
  readonly birthId: string;
  readonly budget: Budget;
  /** There is space in reserve: the file may grow. */
  readonly ballastHeld: () => boolean;
  readonly onLost: (lost: LostRecords) => void;
}

type BeginOptions = SessionOptions & Beginning & { readonly synced: boolean };

/** What one commit is given from outside. */
export type Work = Pick<
  CommitInput,
  "batches" | "critical" | "losses" | "lost" | "seal" | "final" | "linkUp" | "nowMs" | "synced" | "publishIntervalMs"
>;

export class Session {
  readonly identity: Identity;
  readonly #o: SessionOptions;
  readonly #epochs: Map<number, EpochRow>;
  readonly #acks = new Acks();
  readonly #reader: Reader;
  readonly #dead: { readonly record: SealedRecord; readonly reason: string }[] = [];
  #open: readonly OpenRow[];

  private constructor(options: SessionOptions, identity: Identity, open: readonly OpenRow[]) {
    const { store, gateway, onLost } = options;
    this.#o = options;
    this.identity = identity;
    this.#open = open;
    this.#epochs = new Map(store.epochs().map((epoch) => [epoch.n, epoch]));
    this.#acks.load(store.marks());
    const onCorrupt = (lost: LostRecords): void => {
      for (let seq = lost.from; seq <= lost.to; seq++) this.#acks.ack(lost.stream, lost.epoch.n, seq);
      onLost(lost);
    };
    this.#reader = new Reader({ store, acks: this.#acks, gateway, epochs: this.#epochs, onCorrupt });
  }

  /** Notes the start in the file (or finds it noted), tells what was lost, takes up what the last run left unsealed. */
  static begin(options: BeginOptions): Session {
    const { store, wallMs: nowMs, synced } = options;
    try {
      return store.transaction(() => {
        const identity = beginRun(store, options);
        for (const gap of identity.losses) addGap({ ...options, identity, nowMs, synced }, gap);
        return new Session(options, identity, leftOver(store, identity, nowMs));
      });
    } catch (error) {
      store.close();
      throw error;
    }
  }

  /** Bytes of committed rows that no seal covers. */
  get openBytes(): number {
    return this.#open.reduce((sum, { raw }) => sum + raw.length, 0);
  }

  hasWork(work: Work): boolean {
    const { batches, critical, losses, lost, seal } = work;
    const isLoss = losses.overload !== undefined || losses.corrupt !== undefined || losses.critical !== undefined;
    if (batches.length > 0 || critical.length > 0 || lost.length > 0 || isLoss || this.#dead.length > 0) return true;
    if ((seal && this.#open.length > 0) || this.#acks.dirty) return true;
    return gapsDue(this.#o.store.gaps(), { ...work, all: work.final }).length > 0;
  }

  /** All of it in one durable transaction. Throws what SQLite throws; then nothing changed. */
  commit(work: Work): { readonly sealed: boolean; readonly dropped: number; readonly unknown: number } {
    const { store, path, budget } = this.#o;
    const limit = limitBytes(path, store.size().fileBytes, budget, this.#o.ballastHeld());
    const known = { acks: this.#acks, reader: this.#reader, epochs: this.#epochs, open: this.#open };
    const { identity } = this;
    const result = store.transaction(() => {
      for (const { record, reason } of this.#dead) store.addDeadLetter(record, reason, work.nowMs);
      return commitAll({ ...this.#o, ...work, ...known, identity, limitBytes: limit });
    });
    const nextCritical = this.#acks.mark("c", identity.epoch.n).next;
    this.#acks.settle(result.flushed, result.marks);
    for (const { seal, records } of result.sealed) this.#reader.keep(seal, records);
    this.#open = result.open;
    this.#dead.length = 0;
    const told = this.#acks.mark("c", identity.epoch.n).next > nextCritical;
    return { sealed: told || result.sealed.length > 0, dropped: result.dropped, unknown: result.unknown };
  }

  read(stream: Stream, after: Position | undefined, limit: number): SealedRecord[] {
    const from = after === undefined ? undefined : this.#number(after.epoch);
    const at = after === undefined || from === undefined ? { epoch: 0, seq: 0 } : { epoch: from, seq: after.seq };
    return this.#reader.read(stream, at, limit);
  }

  ack(stream: Stream, { epoch, seq }: Position): void {
    const n = this.#number(epoch);
    if (n !== undefined) this.#acks.ack(stream, n, seq);
  }

  /** `record` is not given out again; the next commit puts it among the dead letters and tells the gap. */
  reject(record: SealedRecord, reason: string): void {
    const epoch = [...this.#epochs.values()].find(({ name }) => name === record.epoch);
    if (epoch === undefined) return;
    const { stream, seq, sealedMs } = record;
    this.#acks.ack(stream, epoch.n, seq);
    this.#dead.push({ record, reason });
    const { samples, t0, t1 } = spanOfRecord(record.plain) ?? { samples: null, t0: sealedMs, t1: sealedMs };
    this.#o.onLost({ reason: "rejected", stream, epoch, from: seq, to: seq, samples, t0, t1 });
  }

  births(): Uint8Array[] {
    const { store, birth, birthId } = this.#o;
    const oldest = store.oldestBoot() ?? this.identity.boot;
    const stored = store.births().filter(({ id, boot }) => id !== birthId && boot >= oldest);
    return [...stored.map(({ payload }) => payload), birth];
  }

  summary(nowMs: number): Pick<OutboxStatus, "streams" | "waiting"> & { readonly oldestAgeS: number } {
    const { n } = this.identity.epoch;
    const [c, t, b] = STREAMS.map((stream) => this.#acks.mark(stream, n));
    const none = { next: 1, acked: 0 };
    const waiting = this.#acks.waiting;
    const oldestMs = waiting === 0 ? nowMs : this.#oldestMs(nowMs);
    const oldestAgeS = Math.max(0, Math.round((nowMs - oldestMs) / 1000));
    return { streams: { c: c ?? none, t: t ?? none, b: b ?? none }, waiting, oldestAgeS };
  }

  bootState(wallMs: number, leastMs: number): BootState {
    const { boot, epoch } = this.identity;
    const acked = { c: 0, t: 0, b: 0 };
    for (const stream of STREAMS) acked[stream] = this.#o.store.mark(epoch.n, stream).acked;
    const nowMs = Math.max(wallMs, leastMs);
    return { boot, epoch: epoch.name, wallMs: nowMs, oldestMs: this.#oldestMs(nowMs), acked };
  }

  /** Tells whether a commit that failed has arrived on disk. */
  fingerprint(): string {
    return this.#o.store.fingerprint();
  }

  /** After SQLITE_FULL: what is in the log goes to its place, which needs no new space. Never throws. */
  checkpoint(): void {
    try {
      this.#o.store.checkpoint();
    } catch {
      // The next attempt tells.
    }
  }

  close(): void {
    this.#o.store.close();
  }

  /** Milliseconds since 1970 of the oldest data that is still here. */
  #oldestMs(nowMs: number): number {
    const { store } = this.#o;
    const rows = [store.firstSeal("t")?.t_min, store.firstSeal("b")?.t_min, store.recordsAfter(0, 0, 1)[0]?.sealed_ms];
    return Math.max(0, Math.min(nowMs, ...[...rows, this.#open[0]?.t_min].filter((ms) => ms !== undefined)));
  }

  #number(epoch: string): number | undefined {
    return [...this.#epochs.values()].find(({ name }) => name === epoch)?.n;
  }
}

/** Rows that a run before left without a seal; damaged ones are dropped here, under a gap. */
function leftOver(store: Store, { epoch }: Identity, nowMs: number): OpenRow[] {
  const open: OpenRow[] = [];
  for (const row of store.unsealed("t")) {
    const raw = intact(row);
    if (raw !== undefined) {
      const { id, boot, sync, t_min, t_max } = row;
      open.push({ id, boot, sync, t_min, t_max, raw });
      continue;
    }
    const { id, stream: c, samples, t_min: t0, t_max: t1 } = row;
    store.dropPacked(c, id, id);
    growGap(store, { c, epoch: epoch.name, from: null, to: null, samples, reason: "corrupt", t0, t1 }, nowMs);
  }
  return open;
}

function intact(row: PackedRow): Uint8Array | undefined {
  try {
    return decodeRow(row);
  } catch {
    return undefined;
  }
}
