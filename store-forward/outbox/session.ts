/** One opened outbox file: its identity, what is known of it in memory, and commits that keep both in step. */
import type { Stream } from "../../core/record.ts";
import { STREAMS } from "../../core/record.ts";
import type { BootState } from "../boot.ts";
import type { Position, SealedRecord } from "../queue.ts";
import { Acks } from "./acks.ts";
import { expiryDue } from "./expiry.ts";
import { gapsDue } from "./gaps.ts";
import { beginRun, type Identity } from "./identity.ts";
import { LateReader } from "./late-reader.ts";
import { leftOver } from "./left-over.ts";
import { orMended } from "./mend.ts";
import type { StoreClock } from "./options.ts";
import { type LostRecords, Reader } from "./reader.ts";
import { spanOfRecord } from "./record-span.ts";
import { type CloudReceipt, isAhead, strikeUnsent } from "./renew.ts";
import { beginRenewal, renewalOf, renewSome } from "./renewal.ts";
import { limitBytes } from "./retention.ts";
import { noteSalvage, Salvage } from "./salvage.ts";
import type { EpochRow, SealRow } from "./schema.ts";
import type { BeginOptions, Committed, SessionOptions, Summary, Work } from "./session-options.ts";
import { passTold, recall } from "./told.ts";
import { addGap, type CommitResult, commitAll, type OpenRow } from "./transaction.ts";

export class Session {
  #identity: Identity;
  readonly #o: SessionOptions;
  readonly #epochs: Map<number, EpochRow>;
  readonly #acks = new Acks();
  readonly #reader: Reader;
  #salvage: Salvage | undefined;
  readonly #late: LateReader | undefined;
  readonly #dead: { readonly record: SealedRecord; readonly reason: string }[] = [];
  #open: readonly OpenRow[] = [];
  #renewal: ReturnType<typeof renewalOf>;

  private constructor(options: SessionOptions, identity: Identity) {
    const { store, gateway, onLost } = options;
    this.#o = options;
    this.#identity = identity;
    this.#renewal = renewalOf(store);
    this.#epochs = new Map(store.epochs().map((epoch) => [epoch.n, epoch]));
    this.#acks.load(store.marks());
    recall(store, this.#acks);
    const onCorrupt = (lost: LostRecords): void => {
      passTold(this.#acks, { ...lost, epoch: lost.epoch.n });
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
        const from = session.#renewal?.from;
        session.#open = session.#orMended(() => leftOver(store, { identity, nowMs, from }), true);
        return session;
      });
    } catch (error) {
      store.close();
      throw error;
    }
  }

  get identity(): Identity {
    return this.#identity;
  }

  /** Older epochs are being given new numbers. */
  get renewing(): boolean {
    return this.#renewal !== undefined;
  }

  /** Committed rows that no seal covers. */
  get open(): readonly OpenRow[] {
    return this.#open;
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
    const { store } = this.#o;
    const { identity } = this;
    const known = { acks: this.#acks, reader: this.#reader, epochs: this.#epochs, open: this.#open };
    const sealing = this.#epochs.get(this.#renewal?.from ?? identity.epoch.n) ?? identity.epoch;
    const all = (): CommitResult => {
      for (const { record, reason } of this.#dead) store.addDeadLetter(record, reason, work.nowMs);
      // In the transaction: by itself, to ask for the file's size costs as much as a row.
      return commitAll({ session: this.#o, known, work, identity, sealing, limitBytes: this.#limit() });
    };
    const result = this.#orMended(() => store.transaction(all));
    const nextCritical = this.#acks.mark("c", identity.epoch.n).next;
    this.#acks.settle(result.flushed, result.marks);
    for (const { seal, records } of result.sealed) this.#reader.keep(seal, records);
    this.#open = result.open;
    this.#dead.length = 0;
    // Found before the file was closed and opened again: this session has not heard of them.
    if (work.lost.length > 0) recall(store, this.#acks);
    const told = this.#acks.mark("c", identity.epoch.n).next > nextCritical;
    const { dropped, expired, unknown } = result;
    return { sealed: told || result.sealed.length > 0, dropped, expired, unknown };
  }

  read(stream: Stream, after: Position | undefined, limit: number): SealedRecord[] {
    const from = after === undefined ? undefined : this.#number(after.epoch);
    const at = after === undefined || from === undefined ? { epoch: 0, seq: 0 } : { epoch: from, seq: after.seq };
    const least = this.#renewal?.to;
    if (least !== undefined) {
      const behind = at.epoch < least ? { epoch: least, seq: 0 } : at;
      return this.#orMended(() => this.#reader.read(stream, behind, limit));
    }
    const read = (): SealedRecord[] => this.#late?.read(stream, at, limit) ?? this.#reader.read(stream, at, limit);
    return this.#orMended(read);
  }

  /** A little of what is to be done beside commits. True when records came. Throws what SQLite throws. */
  proceed(how: Pick<Work, "nowMs" | "synced">): boolean {
    const note = this.#renewal;
    if (note === undefined) return this.#salvageSome();
    const { store } = this.#o;
    const known = { reader: this.#reader, acks: this.#acks, epochs: this.#epochs, identity: this.#identity };
    const done = this.#orMended(() => store.transaction(() => renewSome({ ...this.#o, ...how, ...known }, note)));
    if (done) this.#renewal = undefined;
    const marks = store.marks();
    const renewed = marks.filter(({ epoch }) => epoch < note.to);
    this.#acks.settle(renewed, marks);
    return true;
  }

  /** Of what a file set aside still holds. */
  #salvageSome(): boolean {
    const { store } = this.#o;
    const came = this.#salvage?.some(() => this.#limit() - store.size().usedBytes) ?? false;
    if (this.#salvage?.done) this.#salvage = undefined;
    if (!came) return false;
    for (const epoch of store.epochs()) this.#epochs.set(epoch.n, epoch);
    this.#acks.settle([], store.marks());
    for (const { epoch, stream } of store.marks()) if (store.isSalvaged(epoch)) this.#acks.touch(stream, epoch);
    return true;
  }

  spent(records: readonly SealedRecord[]): void {
    this.#reader.spent(records);
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
    // Before the commit that stores it, its memory may serve others.
    this.#dead.push({ record: { ...record, plain: Buffer.from(record.plain) }, reason });
    const { samples, t0, t1 } = spanOfRecord(record.plain) ?? { samples: null, t0: sealedMs, t1: sealedMs };
    this.#o.onLost({ reason: "rejected", stream, epoch, from: seq, to: seq, samples, t0, t1 });
    return true;
  }

  /** What a receipt of the cloud means here; with `prune`, what it covers counts as acknowledged. */
  judge({ epoch, upto }: CloudReceipt, prune: boolean): "foreign" | "known" | "ahead" {
    const current = this.identity.epoch;
    if (epoch === current.name && !this.renewing && isAhead(this.#o.store, current, upto)) return "ahead";
    const n = this.#number(epoch);
    if (n === undefined || (n !== current.n && !prune)) return "foreign";
    if (prune) for (const stream of STREAMS) this.#acks.ackUpTo(stream, n, upto[stream]);
    return "known";
  }

  /** Records may leave: durable when it returns. */
  release(): true {
    strikeUnsent(this.#o.store);
    return true;
  }

  /**
   * Begins the epoch `name`, under which all that is stored is sealed anew: `proceed` does it. All that was acknowledged
   * or refused must be committed. Throws what SQLite throws; then nothing changed.
   */
  renew(receipt: CloudReceipt, name: string, how: Pick<Work, "nowMs" | "synced">): void {
    const { store, log } = this.#o;
    log.warn("a new epoch begins", { epoch: name, reason: "the cloud holds records that this outbox never sent" });
    const from = this.#identity.epoch;
    this.#identity = store.transaction(() => {
      const identity: Identity = { boot: this.#identity.boot, epoch: store.addEpoch(name), losses: [] };
      beginRenewal({ ...this.#o, ...how, identity }, from, receipt);
      return identity;
    });
    this.#renewal = renewalOf(store);
    this.#epochs.set(this.#identity.epoch.n, this.#identity.epoch);
    this.#acks.settle([], store.marks());
  }

  births(): Uint8Array[] {
    const { store, birth, birthId } = this.#o;
    const oldest = store.oldestBoot() ?? this.identity.boot;
    const stored = store.births().filter(({ id, boot }) => id !== birthId && boot >= oldest);
    return [...stored.map(({ payload }) => payload), birth];
  }

  summary(clock: StoreClock): Summary {
    const { n } = this.identity.epoch;
    const [c, t, b] = STREAMS.map((stream) => this.#acks.mark(stream, n));
    const none = { next: 1, acked: 0 };
    const waiting = this.#acks.waiting;
    const oldestMs = waiting === 0 ? Number.POSITIVE_INFINITY : this.#oldestMs(Number.POSITIVE_INFINITY);
    const ageMs = clock.ageMs?.(oldestMs) ?? clock.wallMs() - oldestMs;
    const oldestAgeS = Math.max(0, Math.round(ageMs / 1000));
    const { renewing } = this;
    const salvage = this.#salvage?.state;
    const streams = { c: c ?? none, t: t ?? none, b: b ?? none };
    return { streams, waiting, oldestAgeS, renewing, ...(salvage === undefined ? {} : { salvage }) };
  }

  bootState(wallMs: number): BootState {
    const { boot, epoch } = this.identity;
    const acked = { c: 0, t: 0, b: 0 };
    for (const stream of STREAMS) acked[stream] = this.#o.store.mark(epoch.n, stream).acked;
    return { boot, epoch: epoch.name, wallMs, oldestMs: this.#oldestMs(wallMs), acked };
  }

  /** The newest of the last stored samples whose time is true, milliseconds since 1970. */
  newestTrueMs(): number {
    return this.#o.store.newestTrueMs();
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

  #orMended<T>(work: () => T, inTransaction = false): T {
    const proven = (seal: SealRow): number => this.#reader.proven(seal);
    return orMended(work, { ...this.#o, proven, first: this.#renewal?.to, inTransaction });
  }

  #limit(): number {
    const { store, path, budget } = this.#o;
    return limitBytes(path, store.size().fileBytes, budget, this.#o.ballastHeld());
  }

  #number(epoch: string): number | undefined {
    for (const { n, name } of this.#epochs.values()) if (name === epoch) return n;
    return undefined;
  }
}
