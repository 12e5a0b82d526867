import type { Clock } from "../core/clock.ts";
import type { Loss } from "../drivers/driver.ts";

const TELL_EVERY_MS = 60_000;

/** Losses of one source as they are told: everything since the last time. */
export interface ToldLoss {
  readonly frames: number;
  /** Milliseconds since 1970, by the clock as it is when this is told. */
  readonly t0: number;
  readonly t1: number;
  readonly why: string;
}

export interface SourceLossesOptions {
  readonly clock: Clock;
  /** Waits, or ends early when the signal aborts. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly tell: (loss: ToldLoss) => void;
}

/** Counts what a source lost, and tells it: the first at once, what follows once a minute, the rest at the end. */
export class SourceLosses {
  /** Frames lost since the start. */
  frames = 0;
  readonly #o: SourceLossesOptions;
  #untold: Loss | undefined;
  #toldMs = Number.NEGATIVE_INFINITY;
  #waits = false;

  constructor(options: SourceLossesOptions) {
    this.#o = options;
  }

  /** `end`: aborts when the source is not to run any more. */
  take(loss: Loss, end: AbortSignal): void {
    this.frames += loss.frames;
    this.#untold = joined(this.#untold, loss);
    if (this.#waits) return;
    const restMs = this.#toldMs + TELL_EVERY_MS - this.#o.clock.monoMs();
    if (restMs <= 0 || end.aborted) {
      this.#tell();
      return;
    }
    this.#waits = true;
    void this.#o.wait(restMs, end).then(() => {
      this.#waits = false;
      this.#tell();
    });
  }

  #tell(): void {
    const { clock, tell } = this.#o;
    if (this.#untold === undefined) return;
    const { frames, fromMs, toMs, why } = this.#untold;
    const baseMs = clock.wallUs() / 1000 - clock.monoMs();
    this.#untold = undefined;
    this.#toldMs = clock.monoMs();
    // A clock that jumped meanwhile has taken the times along.
    tell({ frames, t0: Math.floor(baseMs + fromMs), t1: Math.ceil(baseMs + toMs), why });
  }
}

function joined(one: Loss | undefined, other: Loss): Loss {
  if (one === undefined) return other;
  return {
    frames: one.frames + other.frames,
    fromMs: Math.min(one.fromMs, other.fromMs),
    toMs: Math.max(one.toMs, other.toMs),
    why: other.why,
  };
}
