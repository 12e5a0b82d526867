/** What the field thread would hand over: samples all the time, events now and then, and a link that comes and goes. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Batch } from "../../core/sample.ts";
import type { Random } from "../../hw-sim/random.ts";
import type { ToStorage } from "../../store-forward/protocol.ts";
import { batch, packed } from "../store-forward/outbox/support.ts";
import type { Order } from "./order.ts";

/** Of the fixture's birth: meter-1's power, wallbox-1's status (a text, here to fill pages) and current. */
const SIGNALS = { power: 1, status: 3, current: 4 } as const;
/** Share of large hand-offs: enough that SQLite moves its log into the database within a life. */
const BURSTS = 0.4;

export interface Life {
  readonly post: (message: ToStorage) => void;
  readonly boot: number;
  readonly forMs: number;
  readonly setLink: (up: boolean) => void;
}

export class Workload {
  readonly #order: Order;
  readonly #random: Random;
  #number: number;
  #lastMs = 0;

  constructor(order: Order, random: Random, firstNumber: number) {
    this.#order = order;
    this.#random = random;
    this.#number = firstNumber;
  }

  async run({ post, boot, forMs, setLink }: Life): Promise<void> {
    const random = this.#random;
    const endMs = performance.now() + forMs;
    let up = true;
    let flipMs = performance.now() + random.between(500, 2000);
    while (performance.now() < endMs) {
      this.#handOver(post, boot);
      if (performance.now() >= flipMs) {
        up = !up;
        setLink(up);
        flipMs += up ? random.between(800, 2500) : random.between(200, 800);
      }
      // The pace of the load, not a wait for anything.
      await sleep(random.between(5, 60));
    }
  }

  /** The watermark covers the events too: they are posted before it. */
  #handOver(post: Life["post"], boot: number): void {
    const random = this.#random;
    const from = this.#number;
    // No two hand-offs share a millisecond: a watermark claims all samples up to it.
    const watermark = Math.max(Date.now(), this.#lastMs + 1);
    this.#lastMs = watermark;
    const critical = random.next() < 0.2 ? this.#event(watermark) : undefined;
    const samples = this.#samples(watermark);
    const numbers = Array.from({ length: this.#number - from }, (_, index) => from + index);
    this.#order.note({ kind: "handed", boot, numbers, watermark });
    if (critical !== undefined) post(critical);
    post({ type: "batches", ...packed(...samples), watermark, synced: true });
  }

  #event(t0: number): ToStorage {
    const body = `"event":{"type":"power-cut-rig","severity":"info","n":${this.#number++}}`;
    return { type: "critical", kind: "event", asset: "meter-1", t0, body };
  }

  #samples(tMs: number): Batch[] {
    const random = this.#random;
    const count = Math.ceil(random.between(1, random.next() < BURSTS ? 300 : 12));
    return Array.from({ length: count }, () => {
      const number = this.#number++;
      if (random.next() < 0.3) return batch(tMs, [SIGNALS.power, number]);
      return batch(tMs, [SIGNALS.status, this.#text()], [SIGNALS.current, number]);
    });
  }

  /** Hardly to be compressed. */
  #text(): string {
    const parts = Array.from({ length: Math.ceil(this.#random.between(1, 80)) }, () =>
      this.#random.next().toString(36),
    );
    return parts.join("");
  }
}
