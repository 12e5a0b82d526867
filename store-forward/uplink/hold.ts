/**
 * How long a stream waits after the server refused a record of it: longer each time, up to a minute, until one passes. It
 * outlives a link that the server closed right behind its refusal (Mosquitto with `max_queued_messages 0` does): else the
 * next one would begin with the same record, and no other stream would get a turn.
 */
const MOST_MS = 60_000;
/** A server that closes a link so soon after a refusal closed it for that. */
const RIGHT_BEHIND_MS = 1000;

export class Hold {
  readonly #firstMs: number;
  #waitMs = 0;
  #atMs = Number.NEGATIVE_INFINITY;
  #untilMs = Number.NEGATIVE_INFINITY;
  #stands = false;

  /** First wait in milliseconds. */
  constructor(firstMs: number) {
    this.#firstMs = firstMs;
  }

  /** The last answer of the server was a refusal. */
  get stands(): boolean {
    return this.#stands;
  }

  /** Nothing is to be tried yet. */
  waits(nowMs: number): boolean {
    return this.#stands && nowMs < this.#untilMs;
  }

  /** A record was refused. What was under way together with it does not make the wait longer. */
  begin(nowMs: number): void {
    if (!this.#stands) this.#waitMs = Math.min(Math.max(this.#waitMs * 2, this.#firstMs), MOST_MS);
    else if (nowMs >= this.#untilMs) this.#waitMs = Math.min(this.#waitMs * 2, MOST_MS);
    this.#stands = true;
    this.#atMs = nowMs;
    this.#untilMs = nowMs + this.#waitMs;
  }

  /** The server took one again. */
  end(): void {
    this.#stands = false;
    this.#waitMs = 0;
  }

  /** `byPeer`: the other side closed it. Somebody who mends an access list and starts the server anew waits for nothing. */
  linkEnded(byPeer: boolean, nowMs: number): void {
    if (!byPeer || nowMs - this.#atMs > RIGHT_BEHIND_MS) this.end();
  }
}
