/** `uplink.rate_limit`: what may leave per second, with bursts of one second's worth. Critical records count, but never wait. */
export interface Rates {
  /** Per second. */
  readonly messages?: number | undefined;
  readonly bytes?: number | undefined;
}

export class RateLimit {
  readonly #rates: Rates;
  #messages: number;
  #bytes: number;
  #atMs: number | undefined;

  constructor(rates: Rates) {
    this.#rates = rates;
    this.#messages = rates.messages ?? 0;
    this.#bytes = rates.bytes ?? 0;
  }

  /** Milliseconds until the next uncritical publish may go; 0: now. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs);
    const { messages, bytes } = this.#rates;
    return Math.max(waitFor(1 - this.#messages, messages), waitFor(1 - this.#bytes, bytes));
  }

  /** A publish left. It may leave a debt: one larger than a second's worth must pass, too. */
  spend(bytes: number, nowMs: number): void {
    this.#refill(nowMs);
    this.#messages--;
    this.#bytes -= bytes;
  }

  #refill(nowMs: number): void {
    const { messages = 0, bytes = 0 } = this.#rates;
    const seconds = (nowMs - (this.#atMs ?? nowMs)) / 1000;
    this.#atMs = nowMs;
    this.#messages = Math.min(this.#messages + seconds * messages, Math.max(messages, 1));
    this.#bytes = Math.min(this.#bytes + seconds * bytes, bytes);
  }
}

function waitFor(missing: number, perSecond: number | undefined): number {
  return perSecond === undefined || missing <= 0 ? 0 : Math.ceil((missing / perSecond) * 1000);
}
