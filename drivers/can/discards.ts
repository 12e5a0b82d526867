import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import type { Outcome } from "./route.ts";

/** Why a frame gave no value: `remote` has no data, `error` is a report of the bus, `overflow` stands for lost frames. */
export type DiscardReason = Exclude<Outcome, "good"> | "remote" | "error" | "overflow";

const TELL_INTERVAL_MS = 60_000;

/** Counts frames that gave no values, by reason, and logs the sums at most once a minute. */
export class Discards {
  readonly #label: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #counts: Record<DiscardReason, number> = {
    checksum: 0,
    short: 0,
    bad: 0,
    absent: 0,
    remote: 0,
    error: 0,
    overflow: 0,
  };
  #untold = false;
  #toldMs: number;

  constructor(label: string, { clock, log }: { readonly clock: Clock; readonly log: Logger }) {
    this.#label = label;
    this.#clock = clock;
    this.#log = log;
    this.#toldMs = clock.monoMs() - TELL_INTERVAL_MS;
  }

  count(reason: DiscardReason): void {
    this.#counts[reason]++;
    // Other signals under the same multiplexor, or a sensor that says that it has no value: all is as it should be.
    if (reason !== "absent" && reason !== "bad") this.#untold = true;
  }

  /** Logs when there is news and the last time is a minute ago. */
  tell(): void {
    if (this.#untold && this.#clock.monoMs() - this.#toldMs >= TELL_INTERVAL_MS) this.tellNow();
  }

  tellNow(): void {
    if (!this.#untold) return;
    this.#untold = false;
    this.#toldMs = this.#clock.monoMs();
    const level = this.#counts.overflow > 0 ? "error" : "warn";
    this.#log[level]("frames without values", { bus: this.#label, ...this.#counts });
  }
}
