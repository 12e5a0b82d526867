/**
 * What the storage thread tells of itself, and when. What counts at once is looked at often and costs little: the states
 * of outbox and uplink, and `durable_until`, for the hand-off counts as lost with this thread what it does not know to be
 * durable. The rest takes questions to SQLite and to the system, and is asked for once a second.
 */
import type { Outbox } from "./outbox/outbox.ts";
import type { OutboxStatus, StorageReport } from "./protocol.ts";
import type { Uplink } from "./uplink/uplink.ts";

const FULL_MS = 1000;

export interface ReportsOptions {
  readonly outbox: Pick<Outbox, "status" | "brief" | "linkUp">;
  readonly uplink: Pick<Uplink, "status">;
  readonly clock: { monoMs(): number; wallMs(): number };
  readonly post: (report: StorageReport) => void;
}

export class Reports {
  readonly #o: ReportsOptions;
  #outbox: OutboxStatus | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #told = "";

  constructor(options: ReportsOptions) {
    this.#o = options;
  }

  /** Posts what is due: all of it once a second, and whenever something changed that counts at once. */
  look(): void {
    const { outbox, clock, post } = this.#o;
    const uplink = this.#o.uplink.status();
    outbox.linkUp = uplink.state === "up";
    const brief = outbox.brief();
    const told = `${JSON.stringify(brief)} ${uplink.state} ${uplink.error} ${uplink.conn}`;
    const nowMs = clock.monoMs();
    const isDue = nowMs - this.#askedAtMs >= FULL_MS;
    if (!isDue && told === this.#told) return;
    this.#told = told;
    if (isDue || this.#outbox === undefined || this.#outbox.error !== brief.error) {
      this.#askedAtMs = nowMs;
      this.#outbox = outbox.status();
    } else this.#outbox = { ...this.#outbox, ...brief };
    post({ type: "store", ts: clock.wallMs(), outbox: this.#outbox, uplink });
  }

  /** The last one, complete. */
  finish(): void {
    this.#askedAtMs = Number.NEGATIVE_INFINITY;
    this.look();
  }
}
