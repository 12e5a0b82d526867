/** The way to the cloud, kept up: dial, live on the link, wait, dial again. Order and window are in sender.ts. */
import { setTimeout as sleep } from "node:timers/promises";
import { backoff } from "../../core/backoff.ts";
import { BusbarError } from "../../core/errors.ts";
import { Since } from "../../core/since.ts";
import { uplinkPrefix } from "../../core/topics.ts";
import type { UplinkStatus } from "../protocol.ts";
import type { SealedRecord } from "../queue.ts";
import type { Link, LinkEnd } from "./connection.ts";
import { Dialler } from "./dialler.ts";
import { stateAfter } from "./faults.ts";
import { FlightBudget } from "./flight-budget.ts";
import { Lane } from "./lane.ts";
import { News } from "./news.ts";
import { DEFAULT_TIMING, type Receipt, type UplinkOptions, type UplinkTiming } from "./options.ts";
import { RateLimit } from "./rate-limit.ts";
import { backlogStands, giveUp, streamsOf } from "./rules.ts";
import { Session } from "./session.ts";
import type { Settlement } from "./settlement.ts";
import { ShownNote } from "./shown-note.ts";
import { Suspect } from "./suspect.ts";
import { Traffic } from "./traffic.ts";
import { settlementFor, Unreceipted } from "./unreceipted.ts";

/** A server that says no is asked less often: somebody must change something first. */
const REFUSED_FACTOR = 4;

export class Uplink {
  readonly #o: UplinkOptions;
  readonly #timing: UplinkTiming;
  readonly #prefix: string;
  readonly #budget: FlightBudget;
  readonly #suspect = new Suspect();
  readonly #warnings = new Map<string, string>();
  readonly #news: News;
  readonly #dialler: Dialler;
  readonly #rate: RateLimit | undefined;
  readonly #settlement: Settlement;
  readonly #traffic: Traffic;
  readonly #shownNote: ShownNote;
  readonly #receipts = { taken: 0, ignored: 0 };
  readonly #drainChecks = new Set<() => void>();
  #session: Session | undefined;
  #link: Link | undefined;
  #state: UplinkStatus["state"] = "connecting";
  readonly #since: Since;
  #error: string | undefined;
  #first = true;
  #tellUp = true;
  #shownNow: readonly string[] | undefined;
  #recordsAcked = 0;
  #bytesSent = 0;

  constructor(options: UplinkOptions) {
    this.#o = options;
    this.#timing = { ...DEFAULT_TIMING, ...options.timing };
    this.#prefix = uplinkPrefix(options.gateway);
    this.#news = new News(options.clock);
    this.#budget = new FlightBudget(this.#timing.stallMs / 4);
    this.#dialler = new Dialler(options, this.#timing);
    const { rate_limit: rates } = options.config;
    this.#rate = rates === undefined ? undefined : new RateLimit(rates);
    this.#settlement = settlementFor(options, this.#timing);
    this.#traffic = new Traffic(options.trafficPath, options.log);
    this.#shownNote = new ShownNote(options.shownPath, options.log);
    this.#since = new Since(options.clock);
  }

  /** Keeps a link to the server until `signal` aborts; then says offline and disconnects. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { queue } = this.#o;
    queue.onSealed = () => {
      this.#session?.wake();
      this.#checkDrained();
    };
    try {
      while (!signal.aborted) await this.#untilHeld(signal);
    } finally {
      queue.onSealed = undefined;
      this.#countTraffic();
      this.#traffic.save(this.#o.clock.monoMs(), true);
      this.#setState("down", "stopped");
    }
  }

  status(): UplinkStatus {
    const session = this.#session;
    const refusal = session?.refusal;
    const error = refusal ?? this.#error;
    const { conn, protocol } = this.#dialler;
    const warning = [...this.#warnings.values()].join("; ");
    return {
      state: refusal === undefined ? this.#state : "refused",
      url: this.#o.config.url,
      ...(protocol === undefined ? {} : { protocol }),
      since: this.#since.ms,
      ...(error === undefined ? {} : { error }),
      ...(warning === "" ? {} : { warning }),
      conn,
      inflight: session?.inFlight ?? 0,
      window: session?.window ?? this.#o.config.window,
      oldest_unacked_s: Math.round((session?.oldestUnackedMs() ?? 0) / 100) / 10,
      records_acked: this.#recordsAcked,
      bytes_sent: this.#totalBytes(),
      backlog: session?.up ? session.backlog : this.#backlogOffline(),
      traffic: this.#countTraffic(),
      receipts: { ...this.#receipts },
    };
  }

  /** True when nothing sealed is unacknowledged; false when `signal` aborts before. */
  async drained(signal: AbortSignal): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const check = (): void => {
      if (this.#empty()) resolve(true);
    };
    const stop = (): void => resolve(false);
    this.#drainChecks.add(check);
    signal.addEventListener("abort", stop, { once: true });
    check();
    if (signal.aborted) stop();
    try {
      return await promise;
    } finally {
      this.#drainChecks.delete(check);
      signal.removeEventListener("abort", stop);
    }
  }

  /** Reads the queue from its first unacknowledged record again, over a new connection: after all was sealed anew. */
  rewind(): void {
    const what = `uplink ${this.#o.config.url}: connection replaced, the stored records were sealed anew`;
    if (this.#settlement instanceof Unreceipted) this.#settlement.clear();
    this.#first = true;
    this.#link?.fail(new BusbarError("UPLINK_LOST", what));
  }

  /** One climb of the backoff: returns after a link that held. */
  async #untilHeld(signal: AbortSignal): Promise<void> {
    for (const nextMs of this.#delays()) {
      const { error, held } = await this.#connectOnce(signal);
      if (signal.aborted) return;
      this.#lost(error);
      const delayMs = held ? this.#delays().next().value : nextMs;
      const waitMs = this.#state === "refused" ? delayMs * REFUSED_FACTOR : delayMs;
      await sleep(waitMs, undefined, { signal }).catch(() => {});
      if (held || signal.aborted) return;
    }
  }

  #delays(): ReturnType<typeof backoff> {
    const { random } = this.#o;
    const { backoffFirstMs: firstMs, backoffMaxMs: maxMs } = this.#timing;
    return backoff({ firstMs, maxMs, ...(random === undefined ? {} : { random }) });
  }

  async #connectOnce(signal: AbortSignal): Promise<{ error: BusbarError; held: boolean }> {
    const dialled = await this.#dialler.dial(signal);
    if ("failure" in dialled) return { error: dialled.failure.error, held: false };
    const startMs = this.#o.clock.monoMs();
    const ackedBefore = this.#recordsAcked;
    const end = await this.#live(dialled.link, signal);
    const longEnough = this.#o.clock.monoMs() - startMs >= this.#timing.heldMs;
    const progress = end.wasUp && (end.error.code !== "UPLINK_STALLED" || this.#recordsAcked > ackedBefore);
    return { error: end.error, held: longEnough && progress };
  }

  async #live(link: Link, signal: AbortSignal): Promise<LinkEnd & { wasUp: boolean }> {
    const { boot } = this.#o;
    this.#warnings.clear();
    this.#setState("connecting", this.#error);
    const session = new Session({
      uplink: this.#o,
      timing: this.#timing,
      link,
      prefix: this.#prefix,
      own: { boot, conn: this.#dialler.conn },
      budget: this.#budget,
      rate: this.#rate,
      settlement: this.#settlement,
      first: this.#first || this.#suspect.wary,
      alone: this.#suspect.alone,
      shownNow: this.#shownNow ?? [...new Set([...this.#assets(), ...this.#shownNote.read()])],
      onShown: (assets) => this.#shownNote.write(assets),
      onUp: () => this.#up(),
      onRecordsAllowed: () => {
        this.#first = false;
      },
      onReceipt: (receipt) => this.#receipt(receipt),
      onAcked: (record) => this.#acked(record),
      onWarning: (key, text) => this.#warn(key, text),
    });
    this.#session = session;
    this.#link = link;
    const end = await session.run(signal);
    if (end.byPeer) this.#blame(session.oldestInFlight(), session.up);
    this.#shownNow = [...session.shownNow];
    this.#bytesSent += link.bytesSent;
    this.#budget.reset(end.error.code === "UPLINK_STALLED");
    this.#session = undefined;
    this.#link = undefined;
    return { ...end, wasUp: session.up };
  }

  #blame(record: SealedRecord | undefined, wasUp: boolean): void {
    if (record !== undefined && !wasUp) this.#suspect.closedEarly();
    if (record === undefined || !wasUp || !this.#suspect.closedOn(record)) return;
    const { stream, epoch, seq } = record;
    const text = `stream ${stream} record ${epoch}/${seq}: five connections were closed on it`;
    const rejection = { stream, at: { epoch, seq }, reasonCode: undefined, text };
    if (giveUp(this.#o, rejection)) this.#suspect.clear();
    else this.#warn("suspect", `${text}; read the server's log`);
  }

  /** Assets whose `now` topics an earlier process may have left on the server. */
  #assets(): readonly string[] {
    try {
      return [...(this.#o.latestValues?.() ?? [])].map(({ asset }) => asset);
    } catch {
      return [];
    }
  }

  #up(): void {
    this.#setState("up", undefined);
    const fields = { url: this.#o.config.url, protocol: this.#dialler.protocol, conn: this.#dialler.conn };
    if (this.#tellUp) this.#o.log.info("uplink up", fields);
    this.#tellUp = false;
  }

  #acked(record: SealedRecord): void {
    this.#recordsAcked++;
    this.#suspect.acked(record);
    if (this.#drainChecks.size > 0) this.#checkDrained();
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

  #lost(error: BusbarError): void {
    this.#setState(stateAfter(error), error.message);
    if (!this.#news.is(error.message)) return;
    this.#tellUp = true;
    // A lost link is everyday life; a server that says no waits for somebody.
    if (this.#state === "refused") this.#o.log.warn("uplink refused", { reason: error.message });
    else this.#o.log.info("uplink lost", { reason: error.message });
  }

  #warn(key: string, text: string): void {
    if (this.#warnings.get(key) === text) return;
    this.#warnings.set(key, text);
    if (this.#news.is(text)) this.#o.log.warn(text, { url: this.#o.config.url });
  }

  #setState(state: UplinkStatus["state"], error: string | undefined): void {
    this.#error = error;
    if (state === this.#state) return;
    this.#state = state;
    this.#since.restart();
  }

  #checkDrained(): void {
    for (const check of this.#drainChecks) check();
  }

  #empty(): boolean {
    if (this.#session !== undefined && this.#session.inFlight > 0) return false;
    return this.#peek((lanes) => lanes.every((lane) => lane.empty)) ?? false;
  }

  #backlogOffline(): boolean {
    return this.#peek((lanes) => backlogStands(lanes, this.#o)) ?? false;
  }

  /** Asks the queue itself, beside the session; undefined when it cannot be read. */
  #peek<T>(ask: (lanes: readonly Lane[]) => T): T | undefined {
    try {
      const { queue, config } = this.#o;
      const settlement = this.#settlement;
      const how = { queue, settlement, qos: 1, retryFirstMs: 0, readAhead: 1 } as const;
      return ask(streamsOf(config).map((stream) => new Lane({ ...how, stream })));
    } catch {
      return undefined;
    }
  }
}
