/**
 * How many bytes may await acknowledgement at once. A full window of large records would sit in a slow link for longer
 * than the stall time and be sent again for ever; so the bytes grow with what the link has shown to carry.
 */
const LEAST_BYTES = 16 * 1024;
const FIRST_BYTES = 32 * 1024;
const MOST_BYTES = 8 * 1024 * 1024;

export class FlightBudget {
  readonly #slowMs: number;
  #limit = FIRST_BYTES;
  #inFlight = 0;

  /** An acknowledgement later than `slowMs` says that too much is under way. */
  constructor(slowMs: number) {
    this.#slowMs = slowMs;
  }

  /** Something always may: a record larger than the budget must pass, too. */
  get open(): boolean {
    return this.#inFlight === 0 || this.#inFlight < this.#limit;
  }

  sent(bytes: number): void {
    this.#inFlight += bytes;
  }

  acked(bytes: number, latencyMs: number): void {
    this.#inFlight -= bytes;
    if (latencyMs < this.#slowMs) this.#limit = Math.min(this.#limit + bytes, MOST_BYTES);
    else this.#limit = Math.max(this.#limit - bytes, LEAST_BYTES);
  }

  refused(bytes: number): void {
    this.#inFlight -= bytes;
  }

  /** A new link: nothing is under way; after a stall it begins with little. */
  reset(stalled: boolean): void {
    this.#inFlight = 0;
    this.#limit = stalled ? LEAST_BYTES : Math.min(this.#limit, FIRST_BYTES);
  }
}
