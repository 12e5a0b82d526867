/** When the outbox commits: every interval, and for critical records at once, but not more than 20 times a second. */
import type { Outbox } from "./outbox.ts";

const LEAST_DISTANCE_MS = 50;

export interface CommitLoopOptions {
  readonly outbox: Pick<Outbox, "commit" | "urgent" | "full">;
  /** Read anew before each wait: it may change (disk-writes.ts). */
  readonly commitIntervalMs: number;
  readonly monoMs: () => number;
  readonly onCommitted?: () => void;
}

export class CommitLoop {
  readonly #o: CommitLoopOptions;
  #wake: (() => void) | undefined;

  constructor(options: CommitLoopOptions) {
    this.#o = options;
  }

  /** Something was handed over: looks whether it can wait. */
  poke(): void {
    this.#wake?.();
  }

  /** Commits until `signal` aborts; the last commit is the caller's. */
  async run(signal: AbortSignal): Promise<void> {
    const { outbox, monoMs } = this.#o;
    let lastMs = monoMs();
    let regularMs = lastMs + this.#o.commitIntervalMs;
    while (!signal.aborted) {
      const hurried = outbox.urgent || outbox.full;
      const dueMs = hurried ? Math.min(regularMs, lastMs + LEAST_DISTANCE_MS) : regularMs;
      const nowMs = monoMs();
      if (nowMs < dueMs) {
        await this.#pause(dueMs - nowMs, signal);
        continue;
      }
      outbox.commit();
      this.#o.onCommitted?.();
      lastMs = monoMs();
      // In step with the interval, but a late one is not made up for.
      if (nowMs >= regularMs) regularMs = Math.max(regularMs + this.#o.commitIntervalMs, nowMs);
      // A medium that refuses leaves the urgent where it is: the loop must still turn.
      await this.#pause(0, signal);
    }
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, Math.ceil(ms));
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
    this.#wake = done;
    return promise.finally(() => signal.removeEventListener("abort", done));
  }
}
