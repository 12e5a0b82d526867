/** How a link begins, from CONNACK to its first record: warnings, SUBSCRIBE, births and state, receipt, release. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Link } from "./connection.ts";
import { refused } from "./faults.ts";
import { shortcomings } from "./limits.ts";
import type { UplinkOptions, UplinkTiming } from "./options.ts";
import type { Presence } from "./presence.ts";

export interface OpeningOptions {
  readonly uplink: UplinkOptions;
  readonly timing: Pick<UplinkTiming, "receiptWaitMs" | "retryRefusedMs">;
  readonly link: Pick<Link, "protocol" | "limits" | "fail" | "subscribe">;
  readonly presence: Pick<Presence, "topics" | "announce">;
  /** A process's first record waits for the receipt (DESIGN §2). */
  readonly first: boolean;
  onQueueError(error: unknown): void;
  onWarning(key: string, text: string): void;
}

export class Opening {
  readonly #o: OpeningOptions;
  #subscribingMs: number | undefined;

  constructor(options: OpeningOptions) {
    this.#o = options;
  }

  /** Monotonic milliseconds at which our SUBSCRIBE went out, until its SUBACK: a first record waits for that. */
  get subscribingMs(): number | undefined {
    return this.#subscribingMs;
  }

  /** True when records may follow; false when the link is of no use, or `signal` aborts, as its end does. Never rejects. */
  async run(signal: AbortSignal): Promise<boolean> {
    const { link, uplink, timing, presence, first, onWarning } = this.#o;
    if (link.limits.maximumQos === 0) {
      link.fail(refused(uplink.config.url, 0x9b));
      return false;
    }
    for (const [key, text] of shortcomings(link, uplink.config.qos)) onWarning(key, text);
    const subscribed = this.#subscribe(signal);
    presence.announce(this.#births());
    if (first) {
      await subscribed;
      await sleep(timing.receiptWaitMs, undefined, { signal }).catch(() => {});
    }
    await this.#released(signal);
    return !signal.aborted;
  }

  async #subscribe(signal: AbortSignal): Promise<void> {
    const { link, uplink, presence, onWarning } = this.#o;
    this.#subscribingMs = uplink.clock.monoMs();
    const topics = await link.subscribe(presence.topics);
    this.#subscribingMs = undefined;
    if (topics.length === 0 || signal.aborted) return;
    onWarning("subscribe", `the server refuses to subscribe ${topics.join(", ")}; allow it`);
  }

  /** A record leaves only after it is noted that records may have left (outbox/renew.ts). */
  async #released(signal: AbortSignal): Promise<void> {
    const { uplink, timing, onWarning } = this.#o;
    while (!signal.aborted && uplink.onRelease?.() === false) {
      onWarning("release", "records wait until the outbox can be written");
      await sleep(timing.retryRefusedMs, undefined, { signal }).catch(() => {});
    }
  }

  #births(): Uint8Array[] {
    try {
      return this.#o.uplink.queue.births();
    } catch (error) {
      this.#o.onQueueError(error);
      return [];
    }
  }
}
