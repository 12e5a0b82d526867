/**
 * Messages of one partition between MQTT and Kafka. Bounded by the MQTT window (the server sends no more without an
 * acknowledgement) and in bytes by pausing the connection. Nothing in it is ours yet: when the connection ends, what is
 * not in Kafka comes again.
 */
import type { Arrival } from "./plan.ts";

export interface Item extends Arrival {
  /** Of the connection that it came with: acknowledgements are that connection's. */
  readonly life: number;
  readonly arrivedMs: number;
  ack(): void;
}

export interface BatchLimits {
  readonly records: number;
  readonly bytes: number;
  readonly ageMs: number;
}

/** Unknown births: how long after a missed one its gateway's records wait for none. */
const FORGIVE_MS = 600_000;

export class Inbox {
  readonly #monoMs: () => number;
  readonly #birthWaitMs: number;
  #items: Item[] = [];
  #bytes = 0;
  #parkedBytes = 0;
  #life = 0;
  /** By gateway: what waits for a birth. */
  readonly #parked = new Map<string, Item[]>();
  readonly #missed = new Map<string, number>();
  #wake: () => void = () => {};
  #awaited: Pick<BatchLimits, "records" | "bytes"> = { records: 1, bytes: 1 };

  constructor(options: { readonly monoMs: () => number; readonly birthWaitMs: number }) {
    this.#monoMs = options.monoMs;
    this.#birthWaitMs = options.birthWaitMs;
  }

  get length(): number {
    return this.#items.length;
  }

  /** Of topics and payloads. */
  get bytes(): number {
    return this.#bytes + this.#parkedBytes;
  }

  /** When the oldest of it arrived; undefined when there is nothing. */
  get oldestMs(): number | undefined {
    let oldest = this.#items[0]?.arrivedMs;
    for (const [first] of this.#parked.values()) oldest = Math.min(first?.arrivedMs ?? Infinity, oldest ?? Infinity);
    return oldest;
  }

  /** A connection begins; what an earlier one brought is forgotten, for it comes again. */
  begin(): number {
    this.#items = [];
    this.#bytes = 0;
    this.#parkedBytes = 0;
    this.#parked.clear();
    return ++this.#life;
  }

  push(item: Item): void {
    if (item.life !== this.#life) return;
    this.#items.push(item);
    this.#bytes += sizeOf(item);
    // Who waits is woken for the first, whose age begins to count, and for a full batch; not for each.
    const { records, bytes } = this.#awaited;
    if (this.#items.length === 1 || this.#items.length >= records || this.#bytes >= bytes) this.#wake();
  }

  /** To the front, in their order. */
  putBack(items: readonly Item[]): void {
    const live = items.filter(({ life }) => life === this.#life);
    this.#items = [...live, ...this.#items];
    for (const item of live) this.#bytes += sizeOf(item);
    this.#wake();
  }

  /** Waits until a batch is due: full, or old enough. Empty when aborted. */
  async batch(limits: BatchLimits, signal: AbortSignal): Promise<Item[]> {
    this.#awaited = limits;
    while (!signal.aborted) {
      const waitMs = this.#dueInMs(limits);
      if (waitMs <= 0) return this.#shift(limits);
      await this.#woken(waitMs, signal);
    }
    return [];
  }

  /** Puts aside what needs a birth; where its gateway's births did not come lately, it waits no more. */
  park(item: Item, gateway: string): void {
    const missedMs = this.#missed.get(gateway);
    if (missedMs !== undefined && this.#monoMs() - missedMs < FORGIVE_MS) {
      item.birthMissed = true;
      this.putBack([item]);
      return;
    }
    this.#parkedBytes += sizeOf(item);
    const items = this.#parked.get(gateway);
    if (items === undefined) this.#parked.set(gateway, [item]);
    else items.push(item);
  }

  /** A birth of the gateway is there. */
  unpark(gateway: string): void {
    this.#missed.delete(gateway);
    this.#return(gateway);
  }

  /** Returns what has waited long enough for its birth. To be called about once a second. */
  expire(): void {
    const nowMs = this.#monoMs();
    for (const [gateway, items] of this.#parked) {
      if (nowMs - (items[0]?.arrivedMs ?? nowMs) < this.#birthWaitMs) continue;
      this.#missed.set(gateway, nowMs);
      for (const item of items) item.birthMissed = true;
      this.#return(gateway);
    }
  }

  #return(gateway: string): void {
    const items = this.#parked.get(gateway);
    if (items === undefined) return;
    this.#parked.delete(gateway);
    for (const item of items) this.#parkedBytes -= sizeOf(item);
    this.putBack(items);
  }

  #dueInMs({ records, bytes, ageMs }: BatchLimits): number {
    const first = this.#items[0];
    if (first === undefined) return Number.POSITIVE_INFINITY;
    if (this.#items.length >= records || this.#bytes >= bytes) return 0;
    return first.arrivedMs + ageMs - this.#monoMs();
  }

  #shift({ records, bytes }: BatchLimits): Item[] {
    let size = 0;
    let end = 0;
    for (const item of this.#items) {
      if (end >= records || (end > 0 && size + sizeOf(item) > bytes)) break;
      size += sizeOf(item);
      end++;
    }
    this.#bytes -= size;
    return this.#items.splice(0, end);
  }

  async #woken(waitMs: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    this.#wake = wake;
    signal.addEventListener("abort", wake, { once: true });
    // An empty inbox needs no timer.
    const timer = Number.isFinite(waitMs) ? setTimeout(wake, Math.ceil(waitMs)) : undefined;
    await promise;
    clearTimeout(timer);
    signal.removeEventListener("abort", wake);
    this.#wake = () => {};
  }
}

function sizeOf({ topic, payload }: Arrival): number {
  return topic.length + payload.length;
}
