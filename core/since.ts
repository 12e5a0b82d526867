import type { Clock } from "./clock.ts";

/** Below this a difference is the clock being followed, no jump. */
const JUMP_MS = 1000;

/** When a state began, in milliseconds since 1970 on the clock as it is now: a clock that jumps since takes it along. */
export class Since {
  readonly #clock: Pick<Clock, "monoMs" | "wallUs">;
  #monoMs = 0;
  #wallMs = 0;

  /** Begins now. */
  constructor(clock: Pick<Clock, "monoMs" | "wallUs">) {
    this.#clock = clock;
    this.restart();
  }

  restart(): void {
    this.#monoMs = this.#clock.monoMs();
    this.#wallMs = Math.floor(this.#clock.wallUs() / 1000);
  }

  get ms(): number {
    const ms = this.#clock.wallUs() / 1000 - (this.#clock.monoMs() - this.#monoMs);
    if (Math.abs(ms - this.#wallMs) > JUMP_MS) this.#wallMs = Math.floor(ms);
    return this.#wallMs;
  }
}
