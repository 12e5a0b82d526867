/** The way to the cloud, kept up: dial, live on the link, wait, dial again. Order and window are in sender.ts. */
import { setTimeout as sleep } from "node:timers/promises";
import { BusbarError } from "../../core/errors.ts";
import { STREAMS, type Stream } from "../../core/record.ts";
import { uplinkPrefix } from "../../core/topics.ts";
import type { UplinkStatus } from "../protocol.ts";
import type { SealedRecord } from "../queue.ts";
import type { LinkEnd } from "./approach.ts";
import { Backlog } from "./backlog.ts";
import type { Link } from "./connection.ts";
import { Dialler } from "./dialler.ts";
import { FlightBudget } from "./flight-budget.ts";
import { Hold } from "./hold.ts";
import { DEFAULT_TIMING, type Receipt, type UplinkOptions, type UplinkTiming } from "./options.ts";
import { type Attempt, Pauses } from "./pauses.ts";
import { RateLimit } from "./rate-limit.ts";
import { Rejections } from "./rejections.ts";
import { Session } from "./session.ts";
import type { Settlement } from "./settlement.ts";
import { ShownNote } from "./shown-note.ts";
import { Standing } from "./standing.ts";
import { Suspect } from "./suspect.ts";
import { Traffic } from "./traffic.ts";
import { settlementFor, Unreceipted } from "./unreceipted.ts";

export interface UplinkBrief extends Pick<UplinkStatus, "state" | "conn"> {
  readonly error: string | undefined;
}

export class Uplink {
  readonly #o: UplinkOptions;
  readonly #timing: UplinkTiming;
  readonly #prefix: string;
  readonly #budget: FlightBudget;
  readonly #suspect = new Suspect();
  readonly #rejections: Rejections;
  readonly #holds: Readonly<Record<Stream, Hold>>;
  readonly #standing: Standing;
  readonly #pauses: Pauses;
  readonly #dialler: Dialler;
  readonly #rate: RateLimit | undefined;
  readonly #settlement: Settlement;
  readonly #backlog: Backlog;
  readonly #traffic: Traffic;
  readonly #shownNote: ShownNote;
  readonly #receipts = { taken: 0, ignored: 0 };
  #session: Session | undefined;
  #link: Link | undefined;
  #first = true;
  #recordsAcked = 0;
  #bytesSent = 0;

  constructor(options: UplinkOptions) {
    this.#o = options;
    this.#timing = { ...DEFAULT_TIMING, ...options.timing };
    this.#prefix = uplinkPrefix(options.gateway);
    this.#rejections = new Rejections(options);
    const { retryRefusedMs } = this.#timing;
    this.#holds = { c: new Hold(retryRefusedMs), t: new Hold(retryRefusedMs), b: new Hold(retryRefusedMs) };
    this.#standing = new Standing(options);
    this.#pauses = new Pauses(this.#timing, options.random);
    this.#budget = new FlightBudget(this.#timing.stallMs / 4);
    this.#dialler = new Dialler(options, this.#timing);
    const { rate_limit: rates } = options.config;
    this.#rate = rates === undefined ? undefined : new RateLimit(rates);
    this.#settlement = settlementFor(options, this.#timing);
    this.#backlog = new Backlog({
      uplink: options,
      settlement: this.#settlement,
      inFlight: () => this.#session?.inFlight ?? 0,
    });
    this.#traffic = new Traffic(options.trafficPath, options.log);
    this.#shownNote = new ShownNote(options);
  }

  /** Keeps a link to the server until `signal` aborts; then says offline and disconnects. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { queue } = this.#o;
    queue.onSealed = () => {
      this.#session?.wake();
      this.#backlog.changed();
    };
    try {
      while (!signal.aborted) await this.#liveOnce(signal);
    } finally {
      queue.onSealed = undefined;
      this.#countTraffic();
      this.#traffic.save(this.#o.clock.monoMs(), true);
      this.#standing.stopped();
    }
  }

  /** The part of `status` that counts at once. */
  brief(): UplinkBrief {
    const refusal = this.#session?.refusal;
    const { state, error } = this.#standing;
    const { conn } = this.#dialler;
    return { state: refusal === undefined ? state : "refused", error: refusal ?? error, conn };
  }

  status(): UplinkStatus {
    const session = this.#session;
    const { sinceMs, warning } = this.#standing;
    const { state, error, conn } = this.brief();
    const { protocol } = this.#dialler;
    return {
      state,
      url: this.#o.config.url,
      ...(protocol === undefined ? {} : { protocol }),
      since: sinceMs,
      ...(error === undefined ? {} : { error }),
      ...(warning === undefined ? {} : { warning }),
      conn,
      inflight: session?.inFlight ?? 0,
      window: session?.window ?? this.#o.config.window,
      oldest_unacked_s: Math.round((session?.oldestUnackedMs() ?? 0) / 100) / 10,
      records_acked: this.#recordsAcked,
      bytes_sent: this.#totalBytes(),
      backlog: session?.up ? session.backlog : this.#backlog.stands,
      traffic: this.#countTraffic(),
      receipts: { ...this.#receipts },
    };
  }

  /** True when nothing sealed is unacknowledged; false when `signal` aborts before. */
  drained(signal: AbortSignal): Promise<boolean> {
    return this.#backlog.drained(signal);
  }

  /** Reads the queue from its first unacknowledged record again, over a new connection: after all was sealed anew. */
  rewind(): void {
    const what = `uplink ${this.#o.config.url}: connection replaced, the stored records were sealed anew`;
    if (this.#settlement instanceof Unreceipted) this.#settlement.clear();
    this.#first = true;
    this.#link?.fail(new BusbarError("UPLINK_LOST", what));
  }

  /** One attempt, the link that comes of it, and the pause behind it. */
  async #liveOnce(signal: AbortSignal): Promise<void> {
    const { error, ...attempt } = await this.#connectOnce(signal);
    if (signal.aborted) return;
    this.#standing.lost(error);
    const pauseMs = this.#pauses.after({ ...attempt, refused: this.#standing.state === "refused" });
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
  }

  async #connectOnce(signal: AbortSignal): Promise<Omit<Attempt, "refused"> & { readonly error: BusbarError }> {
    const dialled = await this.#dialler.dial(signal);
    if ("failure" in dialled) {
      return { error: dialled.failure.error, livedMs: 0, wasUp: false, stalledAtOnce: false };
    }
    const startMs = this.#o.clock.monoMs();
    const ackedBefore = this.#recordsAcked;
    const { error, wasUp } = await this.#live(dialled.link, signal);
    const livedMs = this.#o.clock.monoMs() - startMs;
    const stalledAtOnce = error.code === "UPLINK_STALLED" && this.#recordsAcked === ackedBefore;
    return { error, livedMs, wasUp, stalledAtOnce };
  }

  async #live(link: Link, signal: AbortSignal): Promise<LinkEnd & { wasUp: boolean }> {
    const { boot } = this.#o;
    this.#standing.connecting();
    const session = new Session({
      uplink: this.#o,
      timing: this.#timing,
      link,
      prefix: this.#prefix,
      own: { boot, conn: this.#dialler.conn },
      budget: this.#budget,
      rate: this.#rate,
      settlement: this.#settlement,
      rejections: this.#rejections,
      holds: this.#holds,
      first: this.#first || this.#suspect.wary,
      alone: this.#suspect.alone,
      shownNow: this.#shownNote.assets,
      onShown: (assets) => this.#shownNote.write(assets),
      onUp: () => this.#standing.up(this.#dialler.protocol, this.#dialler.conn),
      onRecordsAllowed: () => {
        this.#first = false;
      },
      onReceipt: (receipt) => this.#receipt(receipt),
      onAcked: (record) => this.#acked(record),
      onWarning: (key, text) => this.#standing.warn(key, text),
    });
    this.#session = session;
    this.#link = link;
    const end = await session.run(signal);
    if (end.byPeer) this.#blame(session.oldestInFlight(), session.up);
    for (const stream of STREAMS) this.#holds[stream].linkEnded(end.byPeer, this.#o.clock.monoMs());
    this.#shownNote.left(session.shownNow);
    this.#bytesSent += link.bytesSent;
    this.#budget.reset(end.error.code === "UPLINK_STALLED");
    this.#session = undefined;
    this.#link = undefined;
    return { ...end, wasUp: session.up };
  }

  #blame(record: SealedRecord | undefined, wasUp: boolean): void {
    if (record !== undefined && !wasUp) this.#suspect.closedEarly();
    if (record === undefined || !wasUp) return;
    const closes = this.#suspect.closedOn(record);
    if (closes === undefined) return;
    const held = this.#rejections.closedOn(record, closes);
    if (held === undefined) this.#suspect.gone(record);
    else this.#standing.warn("suspect", held);
  }

  #acked(record: SealedRecord): void {
    this.#recordsAcked++;
    this.#suspect.acked(record);
    this.#backlog.changed();
  }

  #receipt(receipt: Receipt | undefined): void {
    const ours = receipt !== undefined && this.#o.onReceipt?.(receipt) !== false;
    this.#receipts[ours ? "taken" : "ignored"]++;
    if (ours && this.#settlement instanceof Unreceipted) this.#settlement.receipt(receipt);
  }

  #totalBytes(): number {
    return this.#bytesSent + (this.#link?.bytesSent ?? 0);
  }

  #countTraffic(): ReturnType<Traffic["count"]> {
    const { clock } = this.#o;
    const counted = this.#traffic.count(this.#totalBytes(), { wallMs: clock.wallUs() / 1000, synced: clock.synced });
    this.#traffic.save(clock.monoMs());
    return counted;
  }
}
