/** One opened outbox file: its identity, what is known of it in memory, and commits that keep both in step. */
import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { Stream } from "../../core/record.ts";
import { STREAMS } from "../../core/record.ts";
import type { BootState } from "../boot.ts";
import type { OutboxStatus } from "../protocol.ts";
import type { Position, SealedRecord } from "../queue.ts";
import { Acks } from "./acks.ts";
import { expiryDue } from "./expiry.ts";
import { gapsDue } from "./gaps.ts";
import { type Beginning, beginRun, type Identity } from "./identity.ts";
import { LateReader } from "./late-reader.ts";
import { leftOver } from "./left-over.ts";
import { type Mended, mendSeals } from "./mend.ts";
import type { StoreClock } from "./options.ts";
import { type LostRecords, Reader } from "./reader.ts";
import { spanOfRecord } from "./record-span.ts";
import { type CloudReceipt, isAhead, renewAll, strikeUnsent } from "./renew.ts";
import { type Budget, limitBytes } from "./retention.ts";
import { noteSalvage, Salvage } from "./salvage.ts";
import type { EpochRow } from "./schema.ts";
import { RottedSeal } from "./seal-sum.ts";
import { FIRST_EPOCH, type Store } from "./store.ts";
import { addGap, type CommitInput, type CommitResult, commitAll, type OpenRow } from "./transaction.ts";

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
  readonly log: Logger;
  readonly expireAfterMs?: number;
}

/** What a commit did, in samples: dropped to make room, expired, of signals that no birth names. */
export interface Committed extends Pick<CommitResult, "dropped" | "expired" | "unknown"> {
  /** Records are there to be read that were not before. */
  readonly sealed: boolean;
}

type BeginOptions = SessionOptions & Beginning & { readonly synced: boolean };

/** What one commit is given from outside. */
export type Work = Pick<
  CommitInput,
  "batches" | "critical" | "losses" | "lost" | "seal" | "final" | "linkUp" | "nowMs" | "synced" | "publishIntervalMs"
>;

/** Between two commits: a seal each, or a few critical records. */
const SALVAGE_STEPS = 4;
const SALVAGE_ROOM_BYTES = 2 * 1024 * 1024;

export class Session {
  readonly identity: Identity;
  readonly #o: SessionOptions;
  readonly #epochs: Map<number, EpochRow>;
  readonly #acks = new Acks();
  readonly #reader: Reader;
  #salvage: Salvage | undefined;
  readonly #late: LateReader | undefined;
  readonly #dead: { readonly record: SealedRecord; readonly reason: string }[] = [];
  #open: readonly OpenRow[];

  private constructor(options: SessionOptions, identity: Identity, open: readonly OpenRow[] = []) {
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
    this.#salvage = Salvage.of(options);
    if (this.#salvage !== undefined) this.#late = new LateReader(this.#reader, (epoch) => this.#number(epoch));
  }

  /** Notes the start in the file (or finds it noted), tells what was lost, takes up what the last run left unsealed. */
  static begin(options: BeginOptions): Session {
    const { store, wallMs: nowMs, synced } = options;
    try {
      return store.transaction(() => {
        if (options.quarantined !== undefined) store.leaveRoom();
        const identity = beginRun(store, options);
        if (options.quarantined !== undefined) noteSalvage(store, options.quarantined);
        for (const gap of identity.losses) addGap({ ...options, identity, nowMs, synced }, gap);
        const session = new Session(options, identity);
        session.#open = session.#orMended(() => leftOver(store, identity, nowMs), true);
        return session;
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
    const { boot } = this.identity;
    if (this.#orMended(() => expiryDue({ ...this.#o, ...work, boot, expireAfterMs: this.#o.expireAfterMs })))
      return true;
    return gapsDue(this.#o.store.gaps(), { ...work, all: work.final }).length > 0;
  }

  /** All of it in one durable transaction. Throws what SQLite throws; then nothing changed. */
  commit(work: Work): Committed {
    const { store, path, budget, expireAfterMs } = this.#o;
    const limit = limitBytes(path, store.size().fileBytes, budget, this.#o.ballastHeld());
    const known = { acks: this.#acks, reader: this.#reader, epochs: this.#epochs, open: this.#open };
    const { identity } = this;
    const all = (): CommitResult => {
      for (const { record, reason } of this.#dead) store.addDeadLetter(record, reason, work.nowMs);
      return commitAll({ ...this.#o, ...work, ...known, identity, limitBytes: limit, expireAfterMs });
    };
    const result = this.#orMended(() => store.transaction(all));
    const nextCritical = this.#acks.mark("c", identity.epoch.n).next;
    this.#acks.settle(result.flushed, result.marks);
    for (const { seal, records } of result.sealed) this.#reader.keep(seal, records);
    this.#open = result.open;
    this.#dead.length = 0;
    const told = this.#acks.mark("c", identity.epoch.n).next > nextCritical;
    const { dropped, expired, unknown } = result;
    return { sealed: told || result.sealed.length > 0, dropped, expired, unknown };
  }

  read(stream: Stream, after: Position | undefined, limit: number): SealedRecord[] {
    const from = after === undefined ? undefined : this.#number(after.epoch);
    const at = after === undefined || from === undefined ? { epoch: 0, seq: 0 } : { epoch: from, seq: after.seq };
    const read = (): SealedRecord[] => this.#late?.read(stream, at, limit) ?? this.#reader.read(stream, at, limit);
    return this.#orMended(read);
  }

  /** Takes over a little of what a file set aside still holds. True when records came. Throws what SQLite throws. */
  salvage(): boolean {
    const { store, path, budget } = this.#o;
    let came = false;
    for (let step = 0; step < SALVAGE_STEPS && this.#salvage !== undefined; step++) {
      const { fileBytes, usedBytes } = store.size();
      const room = limitBytes(path, fileBytes, budget, this.#o.ballastHeld()) - usedBytes;
      const outcome = this.#salvage.step(room > SALVAGE_ROOM_BYTES);
      if (outcome === "done") this.#salvage = undefined;
      came ||= outcome === "more";
    }
    if (!came) return false;
    for (const epoch of store.epochs()) this.#epochs.set(epoch.n, epoch);
    this.#acks.settle([], store.marks());
    for (const { epoch, stream } of store.marks()) if (epoch < FIRST_EPOCH) this.#acks.touch(stream, epoch);
    return true;
  }

  ack(stream: Stream, { epoch, seq }: Position): void {
    const n = this.#number(epoch);
    if (n !== undefined) this.#acks.ack(stream, n, seq);
  }

  /** The record is not given out again; the next commit puts it among the dead letters and tells the gap. */
  reject(stream: Stream, at: Position, reason: string): boolean {
    const n = this.#number(at.epoch) ?? 0;
    const [record] = this.#orMended(() => this.#reader.read(stream, { epoch: n, seq: at.seq - 1 }, 1));
    const epoch = this.#epochs.get(n);
    if (epoch === undefined || record?.epoch !== at.epoch || record.seq !== at.seq) return false;
    const { seq, sealedMs } = record;
    this.#acks.ack(stream, n, seq);
    this.#dead.push({ record, reason });
    const { samples, t0, t1 } = spanOfRecord(record.plain) ?? { samples: null, t0: sealedMs, t1: sealedMs };
    this.#o.onLost({ reason: "rejected", stream, epoch, from: seq, to: seq, samples, t0, t1 });
    return true;
  }

  /** What a receipt of the cloud means here; with `prune`, what it covers counts as acknowledged. */
  judge({ epoch, upto }: CloudReceipt, prune: boolean): "foreign" | "known" | "ahead" {
    const current = this.identity.epoch;
    if (epoch === current.name && isAhead(this.#o.store, current, upto)) return "ahead";
    const n = this.#number(epoch);
    if (n === undefined || (n !== current.n && !prune)) return "foreign";
    for (const stream of prune ? STREAMS : []) {
      const { next, acked } = this.#acks.mark(stream, n);
      for (let seq = acked + 1; seq < next && seq <= upto[stream]; seq++) this.#acks.ack(stream, n, seq);
    }
    return "known";
  }

  /** Records may leave: durable when it returns. */
  release(): true {
    strikeUnsent(this.#o.store);
    return true;
  }

  /**
   * Begins the epoch `name` and seals all that is stored anew. This session is over then, the one returned goes on. All
   * that was acknowledged or refused must be committed. Throws what SQLite throws; then nothing changed.
   */
  renew(receipt: CloudReceipt, name: string, how: Pick<Work, "nowMs" | "synced">): Session {
    const { store, log } = this.#o;
    log.warn("a new epoch begins", { epoch: name, reason: "the cloud holds records that this outbox never sent" });
    return store.transaction(() => {
      const identity: Identity = { boot: this.identity.boot, epoch: store.addEpoch(name), losses: [] };
      const next = new Session(this.#o, identity);
      next.#open = this.#open;
      const known = { reader: next.#reader, acks: this.#acks, epochs: next.#epochs };
      renewAll({ ...this.#o, ...how, ...known, identity, receipt });
      next.#acks.load(store.marks());
      return next;
    });
  }

  births(): Uint8Array[] {
    const { store, birth, birthId } = this.#o;
    const oldest = store.oldestBoot() ?? this.identity.boot;
    const stored = store.births().filter(({ id, boot }) => id !== birthId && boot >= oldest);
    return [...stored.map(({ payload }) => payload), birth];
  }

  summary(clock: StoreClock): Pick<OutboxStatus, "streams" | "waiting"> & { readonly oldestAgeS: number } {
    const { n } = this.identity.epoch;
    const [c, t, b] = STREAMS.map((stream) => this.#acks.mark(stream, n));
    const none = { next: 1, acked: 0 };
    const waiting = this.#acks.waiting;
    const oldestMs = waiting === 0 ? Number.POSITIVE_INFINITY : this.#oldestMs(Number.POSITIVE_INFINITY);
    const ageMs = clock.ageMs?.(oldestMs) ?? clock.wallMs() - oldestMs;
    const oldestAgeS = Math.max(0, Math.round(ageMs / 1000));
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
    this.#salvage?.close();
    this.#o.store.close();
  }

  /** Milliseconds since 1970 of the oldest data that is still here. */
  #oldestMs(nowMs: number): number {
    const { store } = this.#o;
    this.#salvage?.close();
    const seals = this.#orMended(() => [store.firstSeal("t")?.t_min, store.firstSeal("b")?.t_min]);
    const rows = [...seals, store.recordsAfter(0, 0, 1)[0]?.sealed_ms];
    return Math.max(0, Math.min(nowMs, ...[...rows, this.#open[0]?.t_min].filter((ms) => ms !== undefined)));
  }

  /** Does it again when a seal that rotted was in the way and is mended now. */
  #orMended<T>(work: () => T, inTransaction = false): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof RottedSeal)) throw error;
      const { store, log } = this.#o;
      const mend = (): Mended => mendSeals({ store, proven: (seal) => this.#reader.proven(seal) });
      const mended = inTransaction ? mend() : store.transaction(mend);
      log.warn("outbox seals rotted and were made anew", { ...mended, found: messageOf(error) });
      return work();
    }
  }

  #number(epoch: string): number | undefined {
    return [...this.#epochs.values()].find(({ name }) => name === epoch)?.n;
  }
}
