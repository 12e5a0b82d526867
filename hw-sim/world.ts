/** Simulated time: fixed steps, so that a seed gives the same site however late a timer fires. */
import type { Model } from "./models/model.ts";

/** Milliseconds of simulated time in one step. */
export const STEP_MS = 50;

/** The most that is caught up after the process stood still (SIGSTOP, a suspended machine): simulated hours, not days. */
const MAX_CATCH_UP_STEPS = (4 * 3_600_000) / STEP_MS;

export class World {
  readonly #models: readonly Model[];
  readonly #monoMs: () => number;
  readonly #timeScale: number;
  readonly #startMs: number;
  #steps = 0;
  #skipped = 0;

  /** `models` in the order in which they depend on each other; `timeScale` simulated seconds pass in one. */
  constructor(models: readonly Model[], monoMs: () => number, timeScale = 1) {
    this.#models = models;
    this.#monoMs = monoMs;
    this.#timeScale = timeScale;
    this.#startMs = monoMs();
  }

  /** Steps taken so far. */
  get steps(): number {
    return this.#steps;
  }

  /** Brings every model up to now. Whoever is about to read a value calls it first. */
  advance(): void {
    const elapsed = Math.floor(((this.#monoMs() - this.#startMs) * this.#timeScale) / STEP_MS);
    let due = elapsed - this.#steps - this.#skipped;
    if (due > MAX_CATCH_UP_STEPS) {
      this.#skipped += due - MAX_CATCH_UP_STEPS;
      due = MAX_CATCH_UP_STEPS;
    }
    for (; due > 0; due--) this.step();
  }

  step(): void {
    this.#steps++;
    for (const model of this.#models) model.step(STEP_MS / 1000);
  }
}
