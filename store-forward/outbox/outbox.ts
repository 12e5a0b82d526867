/**
 * The outbox: everything the cloud does not have yet, in one SQLite file with one writer.
 *
 * Commits. One transaction takes all that was handed over, seals what is due, numbers critical records, writes marks
 * and deletes what lies below them: all of it or nothing, WAL with synchronous=FULL (read back at open). Nothing is
 * numbered outside of a commit, and `read` gives committed records only, so a byte leaves after its identity is durable.
 *
 * A power cut, or SIGKILL, costs what was handed over since the last commit (`durable_until` in status never claims it),
 * and acknowledgements since then: those records are sent again, byte by byte the same. Rows that no seal covers yet are
 * sealed at the next start, with their own boot, sync and birth.
 *
 * Deleted: below the acknowledged mark; or by budget or age, oldest first, with the gap in the same transaction. The file
 * is never shrunk, its pages are used again: no VACUUM, no stall, 15 % fewer writes than with auto_vacuum.
 *
 * The medium refuses: hand-offs stay in bounded memory (pending.ts), one attempt every few seconds. The content is
 * damaged: a seal is mended (mend.ts); for all else recovery.ts sets the file aside and begins a new one, at open or at
 * any later moment, and salvage.ts takes over what the old one still holds.
 */
import { messageOf } from "../../core/errors.ts";
import type { Stream } from "../../core/record.ts";
import { nextBoot } from "../boot.ts";
import type { OutboxStatus } from "../protocol.ts";
import type { Position, RecordQueue, SealedRecord } from "../queue.ts";
import { Ballast } from "./ballast.ts";
import { BootKeeper } from "./boot-keeper.ts";
import { newEpoch } from "./identity.ts";
import { LossBook } from "./loss-book.ts";
import type { CommitOptions, OutboxOptions } from "./options.ts";
import { bytesOf, type HandedOver, Pending, type PendingCritical } from "./pending.ts";
import { openStore, unwritable } from "./recovery.ts";
import type { CloudReceipt } from "./renew.ts";
import { Session } from "./session.ts";
import { faultOf } from "./sqlite.ts";
import { type BriefStatus, briefStatus, outboxStatus } from "./status.ts";
import { MAX_SEAL_BYTES } from "./transaction.ts";

const RETRY_MS = 3000;
/** A commit timer that fires a little early must not put the seal off by a whole interval. */
const PUBLISH_SLACK_MS = 20;
/** One transaction takes no more than this, so that its log stays small. */
const MAX_COMMIT_BYTES = 1024 * 1024;

export class Outbox implements RecordQueue {
  readonly #o: OutboxOptions;
  readonly #pending = new Pending();
  readonly #losses: LossBook;
  #session: Session | undefined;
  #begun = false;
  /** Records may have left this process. */
  #released = false;
  #boot: number | undefined;
  #epoch = newEpoch();
  readonly #bootFile: BootKeeper;
  readonly #ballast: Ballast;
  #synced: boolean;
  #error: string | undefined;
  #notice: string | undefined;
  #damage: string | undefined;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #sealedAtMs = Number.NEGATIVE_INFINITY;
  #attempted: { readonly fingerprint: string; readonly batches: number } | undefined;
  onSealed: (() => void) | undefined;
  readonly spent = (records: readonly SealedRecord[]): void => this.#session?.spent(records);
  /** The cloud takes records: gaps need not wait for their end to be told. */
  linkUp = false;

  constructor(options: OutboxOptions) {
    this.#o = options;
    this.#losses = new LossBook(options.log);
    this.#bootFile = new BootKeeper(options);
    this.#ballast = new Ballast(options.path, options.budget.minFreeBytes);
    this.#synced = options.synced;
  }

  /** Opens the file or finds out that it cannot be opened now; either way hand-offs are taken. Never throws. */
  open(): void {
    this.#epoch = this.#bootFile.load()?.epoch ?? this.#epoch;
    this.commit();
  }

  get boot(): number {
    this.#boot ??= nextBoot(this.#bootFile.last, 0, this.#o.clock.wallMs());
    return this.#boot;
  }
  get epoch(): string {
    return this.#epoch;
  }
  /** Samples are waiting that a commit should not let grow further. */
  get full(): boolean {
    return this.#pending.bytes >= MAX_COMMIT_BYTES;
  }
  /** Something waits that must not wait for the next regular commit, such as the first values of a boot. */
  get urgent(): boolean {
    const isFirst = this.#pending.bytes > 0 && !Number.isFinite(this.#sealedAtMs);
    return isFirst || this.#pending.hasCritical || this.#losses.untold.length > 0 || this.#session?.renewing === true;
  }

  /** Takes samples into memory; they are durable after the next commit. Never throws. */
  take(handedOver: HandedOver): void {
    // The clock jumped: what is here is of the other time base, and is told by itself, with its own sync mark.
    if ((handedOver.era ?? 0) !== this.#pending.watermark.era) this.commit({ seal: true, final: true });
    this.#pending.take(handedOver);
    this.#synced = handedOver.synced;
  }

  takeCritical(record: PendingCritical): void {
    this.#pending.takeCritical({ synced: this.#synced || record.kind === "time", ...record });
    if (record.kind === "time") this.#synced = true;
  }

  /** Commits and seals what is due. False when the medium refused; then it is tried again, here and every few seconds. */
  commit({ seal = false, final = false }: CommitOptions = {}): boolean {
    const waits = this.#error !== undefined && this.#damage === undefined && this.#o.clock.monoMs() < this.#retryAtMs;
    if (waits && !final) return false;
    const [how, hadBallast] = [{ seal, final }, this.#ballast.held];
    if (this.#attempt(how)) return true;
    // A damaged file was closed, or the ballast was given back: there is a way on now.
    const canGoOn = this.#damage !== undefined || (hadBallast && !this.#ballast.held);
    return canGoOn && this.#attempt(how);
  }

  #attempt({ seal, final }: Required<CommitOptions>): boolean {
    try {
      const session = this.#session ?? this.#begin();
      this.#ballast.take(this.#o.clock.monoMs());
      while (this.full) this.#transact(session, { seal, final: false });
      this.#transact(session, { seal, final });
      if (!final && session.proceed(this.#now)) this.onSealed?.();
      this.#recovered();
      this.#bootFile.keep(session, { at: final ? "end" : "going on", ...this.#now });
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  read(stream: Stream, after: Position | undefined, limit: number): SealedRecord[] {
    return this.#guarded([], (session) => session.read(stream, after, limit));
  }

  ack(stream: Stream, at: Position): void {
    this.#session?.ack(stream, at);
  }

  /** The record will never be taken: it moves to the dead letters, with a gap. False when it is not there any more. */
  reject(stream: Stream, at: Position, reason: string): boolean {
    return this.#guarded(false, (session) => session.reject(stream, at, reason));
  }

  /** Before a process's first record leaves: true when it may. */
  release(): boolean {
    this.#released = true;
    return this.#guarded(false, (session) => session.release());
  }

  /** `ahead` (renew.ts): all stored gets a new epoch, now or with the next receipt; nothing read before may be sent. */
  takeReceipt(receipt: CloudReceipt, prune: boolean): "foreign" | "known" | "ahead" {
    const verdict = this.#guarded("foreign", (session) => session.judge(receipt, prune));
    if (verdict === "ahead" && this.commit()) this.#guarded(undefined, (session) => this.#renew(session, receipt));
    return verdict;
  }

  births(): Uint8Array[] {
    return this.#guarded([this.#o.birth], (session) => session.births());
  }

  status(): OutboxStatus {
    const summary = this.#guarded(undefined, (session) => session.summary(this.#o.clock));
    const known = { boot: this.boot, epoch: this.epoch, drops: this.#losses.counts(this.#pending.losses) };
    return { ...outboxStatus(this.#o, { ...known, summary }), ...this.brief() };
  }

  /** The part of `status` that costs nothing. */
  brief(): BriefStatus {
    return briefStatus(this.#error, this.#notice, this.#pending.watermark);
  }

  /** Closes the file; what is not committed is lost. */
  close(): void {
    try {
      this.#session?.close();
    } catch (error) {
      this.#o.log.warn("outbox did not close in order", { error: messageOf(error) });
    }
    this.#session = undefined;
  }

  /** Reads from the file; when that fails the outbox knows, and the answer is `otherwise`. */
  #guarded<T>(otherwise: T, read: (session: Session) => T): T {
    try {
      return this.#session === undefined ? otherwise : read(this.#session);
    } catch (error) {
      this.#failed(error);
      return otherwise;
    }
  }

  get #now(): { readonly nowMs: number; readonly synced: boolean; readonly newestMs: number } {
    return { nowMs: this.#o.clock.wallMs(), synced: this.#synced, newestMs: this.#pending.newestMs };
  }

  #renew(session: Session, receipt: CloudReceipt): void {
    session.renew(receipt, newEpoch(), this.#now);
    this.#adopt(session);
    session.proceed(this.#now);
    this.onSealed?.();
  }

  #adopt(session: Session): void {
    this.#session = session;
    this.#epoch = session.identity.epoch.name;
    if (this.#released) session.release();
    this.#bootFile.keep(session, { at: "begin", ...this.#now });
  }

  #begin(): Session {
    const { path, clock, log } = this.#o;
    const wallMs = clock.wallMs();
    const { store, quarantined } = openStore(path, wallMs, this.#damage);
    this.#damage = undefined;
    if (quarantined !== undefined) {
      this.#notice = `outbox ${path} was set aside (${quarantined.reason}) and begun anew; the old file is ${quarantined.path}`;
      log.error("outbox set aside and begun anew: what it held is not sent", quarantined);
    }
    const previous = this.#bootFile.last;
    const session = Session.begin({
      ...this.#o,
      ...{ store, previous, wallMs, quarantined: quarantined?.path },
      ...{ toldBoot: this.#boot, resumed: this.#begun },
      epoch: previous?.epoch === this.#epoch ? newEpoch() : this.#epoch,
      ballastHeld: () => this.#ballast.held,
      onLost: (lost) => this.#losses.lose(lost),
    });
    const { boot, epoch, renewed } = session.identity;
    if (renewed !== undefined) log.warn("a new epoch begins", { epoch: epoch.name, reason: renewed });
    this.#begun = true;
    this.#boot = boot;
    this.#settleAttempt(session, quarantined === undefined);
    this.#adopt(session);
    return session;
  }

  /** A commit that failed on its way to the disk may have arrived there all the same, if it is the same file. */
  #settleAttempt(session: Session, same: boolean): void {
    const attempted = this.#attempted;
    this.#attempted = undefined;
    if (attempted === undefined || !same || session.fingerprint() === attempted.fingerprint) return;
    this.#losses.told(this.#pending.losses);
    this.#pending.committed(attempted.batches);
  }

  #transact(session: Session, { seal, final }: Required<CommitOptions>): void {
    const { clock, publishIntervalMs } = this.#o;
    const nowMs = clock.monoMs();
    const batches = this.#pending.slice(MAX_COMMIT_BYTES);
    const due = nowMs - this.#sealedAtMs >= publishIntervalMs - PUBLISH_SLACK_MS;
    const sealNow = seal || final || due || session.openBytes + bytesOf(batches) >= MAX_SEAL_BYTES;
    const work = { batches, critical: this.#pending.critical, losses: this.#pending.losses, lost: this.#losses.untold };
    const how = { seal: sealNow, final, linkUp: this.linkUp, ...this.#now, publishIntervalMs };
    if (!session.hasWork({ ...work, ...how })) {
      this.#pending.allCommitted();
      return;
    }
    this.#attempted = { fingerprint: session.fingerprint(), batches: batches.length };
    const done = session.commit({ ...work, ...how });
    this.#attempted = undefined;
    this.#losses.told(work.losses);
    this.#losses.dropped(done);
    this.#pending.committed(batches.length);
    // The first values of a boot do not wait for an interval to pass, whatever else was sealed before them.
    if (sealNow && (batches.length > 0 || Number.isFinite(this.#sealedAtMs))) this.#sealedAtMs = nowMs;
    this.#pending.allCommitted();
    if (done.sealed) this.onSealed?.();
  }

  #failed(error: unknown): void {
    const { path, clock, log } = this.#o;
    const fault = faultOf(error);
    this.#retryAtMs = clock.monoMs() + RETRY_MS;
    if (fault === "corrupt") {
      this.#damage = messageOf(error);
      // Committed by this process and in no record yet: nobody has it but the damaged file, and memory.
      this.#pending.takeBack(this.#session?.open.filter(({ boot }) => boot === this.#boot) ?? []);
    }
    // A full disk passes, and its file can still be read; anything else wants a fresh look at what is there.
    if (fault === "full") {
      this.#ballast.give(clock.monoMs());
      this.#session?.checkpoint();
    } else this.close();
    const told = fault === "internal" ? `outbox ${path}: ${messageOf(error)}` : unwritable(path, error).message;
    if (told !== this.#error) log.error(told, { error });
    this.#error = told;
  }

  #recovered(): void {
    if (this.#error !== undefined) this.#o.log.info("outbox is writable again");
    this.#error = undefined;
  }
}
