/**
 * What the storage thread tells of itself, and when. What counts at once is looked at often and costs little: the states
 * of outbox and uplink, and `durable_until`, for the hand-off counts as lost with this thread what it does not know to be
 * durable. The rest takes questions to SQLite and to the system, and is asked for once a second.
 */
import type { Outbox } from "./outbox/outbox.ts";
import type { BriefStatus } from "./outbox/status.ts";
import type { OutboxStatus, StorageReport } from "./protocol.ts";
import type { Uplink, UplinkBrief } from "./uplink/uplink.ts";

const FULL_MS = 1000;

export interface ReportsOptions {
  readonly outbox: Pick<Outbox, "status" | "brief" | "linkUp">;
  readonly uplink: Pick<Uplink, "status" | "brief">;
  readonly clock: { monoMs(): number; wallMs(): number };
  readonly post: (report: StorageReport) => void;
}

export class Reports {
  readonly #o: ReportsOptions;
  #outbox: OutboxStatus | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #told: { readonly outbox: BriefStatus; readonly uplink: UplinkBrief } | undefined;

  constructor(options: ReportsOptions) {
    this.#o = options;
  }

  /** Posts what is due: all of it once a second, and whenever something changed that counts at once. */
  look(): void {
    const { outbox, clock, post } = this.#o;
    const uplink = this.#o.uplink.brief();
    outbox.linkUp = uplink.state === "up";
    const brief = outbox.brief();
    const nowMs = clock.monoMs();
    const isDue = nowMs - this.#askedAtMs >= FULL_MS;
    if (!isDue && !this.#isNews(brief, uplink)) return;
    this.#told = { outbox: brief, uplink };
    if (isDue || this.#outbox === undefined || this.#outbox.error !== brief.error) {
      this.#askedAtMs = nowMs;
      this.#outbox = outbox.status();
    } else this.#outbox = { ...this.#outbox, ...brief };
    post({ type: "store", ts: clock.wallMs(), outbox: this.#outbox, uplink: this.#o.uplink.status() });
  }

  #isNews({ state, error, durable_until, clock_jumps }: BriefStatus, uplink: UplinkBrief): boolean {
    if (this.#told === undefined) return true;
    const { outbox, uplink: link } = this.#told;
    if (state !== outbox.state || error !== outbox.error || clock_jumps !== outbox.clock_jumps) return true;
    if (durable_until !== outbox.durable_until) return true;
    return uplink.state !== link.state || uplink.error !== link.error || uplink.conn !== link.conn;
  }

  /** The last one, complete. */
  finish(): void {
    this.#askedAtMs = Number.NEGATIVE_INFINITY;
    this.look();
  }
}
