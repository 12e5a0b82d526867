/** What was lost in this boot, by reason, and the records among it that no gap tells yet. */
import type { Logger } from "../../core/log.ts";
import type { OutboxStatus } from "../protocol.ts";
import type { Losses } from "./pending.ts";
import type { LostRecords } from "./reader.ts";
import type { Committed } from "./session-options.ts";

export class LossBook {
  readonly #log: Logger;
  readonly #drops = { full: 0, overload: 0, corrupt: 0, rejected: 0, expired: 0 };
  #untold: readonly LostRecords[] = [];

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Records that the next commit must tell. */
  get untold(): readonly LostRecords[] {
    return this.#untold;
  }

  lose(lost: LostRecords): void {
    const { reason, epoch, stream, from, to, samples } = lost;
    this.#untold = [...this.#untold, lost];
    this.#drops[reason] += samples ?? 0;
    this.#log.error(`records lost: ${reason}`, { epoch: epoch.name, stream, from, to, samples });
  }

  /** A commit told all of it, and noted these losses of samples without a number. */
  told({ overload, corrupt }: Losses): void {
    this.#untold = [];
    this.#drops.overload += overload?.samples ?? 0;
    this.#drops.corrupt += corrupt?.samples ?? 0;
  }

  /** Samples that made room, that were too old, and of signals that no birth names. */
  dropped({ dropped, expired, unknown }: Pick<Committed, "dropped" | "expired" | "unknown">): void {
    this.#drops.full += dropped;
    this.#drops.expired += expired;
    this.#drops.corrupt += unknown;
    if (unknown > 0) this.#log.error("samples of undeclared signals dropped", { samples: unknown });
  }

  /** With what is not committed yet. */
  counts({ overload, corrupt }: Losses): OutboxStatus["drops"] {
    return {
      ...this.#drops,
      overload: this.#drops.overload + (overload?.samples ?? 0),
      corrupt: this.#drops.corrupt + (corrupt?.samples ?? 0),
    };
  }
}
