import type { Clock } from "../../core/clock.ts";

const REPEAT_MS = 600_000;
const MOST_TEXTS = 100;

/** A flapping link says the same things at every turn: each is news once in ten minutes. */
export class News {
  readonly #clock: Clock;
  readonly #toldMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True when `text` was not told of late; it counts as told then. */
  is(text: string): boolean {
    const nowMs = this.#clock.monoMs();
    const news = nowMs - (this.#toldMs.get(text) ?? Number.NEGATIVE_INFINITY) >= REPEAT_MS;
    // Few texts exist, but some hold a record's number.
    if (this.#toldMs.size > MOST_TEXTS) this.#toldMs.clear();
    if (news) this.#toldMs.set(text, nowMs);
    return news;
  }
}
