/**
 * Which gateway is due a receipt: when what Kafka holds of it has changed, or when it sent something again (it lacks the
 * receipt); at most one per interval. The current epoch's comes last, so that it is the one that stays retained.
 */
import type { Holdings } from "./holdings.ts";
import type { Touched } from "./plan.ts";

interface Gateway {
  /** Epochs with news, and whether it is to be told although nothing changed. */
  readonly epochs: Map<string, boolean>;
  readonly told: Map<string, string>;
  nextMs: number;
}

export interface Receipt {
  readonly gateway: string;
  readonly epoch: string;
  readonly payload: string;
}

export class Receipts {
  readonly #holdings: Holdings;
  readonly #intervalMs: number;
  readonly #gateways = new Map<string, Gateway>();
  readonly #waiting = new Set<string>();

  constructor(holdings: Holdings, intervalMs: number) {
    this.#holdings = holdings;
    this.#intervalMs = intervalMs;
  }

  /** Nobody knows whether the last owner told what it wrote: everybody gets one, spread over an interval. */
  tellAll(nowMs: number, random: () => number = Math.random): void {
    for (const id of this.#holdings.ids()) {
      const epoch = this.#holdings.gateway(id).progress.epochs().at(-1);
      if (epoch === undefined) continue;
      this.repeat({ gateway: id, epoch });
      this.#gateway(id).nextMs = nowMs + random() * this.#intervalMs;
    }
  }

  advance({ gateway, epoch }: Touched): void {
    const { epochs } = this.#gateway(gateway);
    if (!epochs.has(epoch)) epochs.set(epoch, false);
    this.#waiting.add(gateway);
  }

  repeat({ gateway, epoch }: Touched): void {
    this.#gateway(gateway).epochs.set(epoch, true);
    this.#waiting.add(gateway);
  }

  /** Those to be published now; each counts as told. */
  due(nowMs: number): Receipt[] {
    const due: Receipt[] = [];
    for (const id of this.#waiting) {
      const gateway = this.#gateway(id);
      if (nowMs < gateway.nextMs) continue;
      const receipt = this.#next(id, gateway);
      if (gateway.epochs.size === 0) this.#waiting.delete(id);
      if (receipt === undefined) continue;
      gateway.nextMs = nowMs + this.#intervalMs;
      due.push(receipt);
    }
    return due;
  }

  /** The oldest epoch with news, and of its news what the gateway has not been told. */
  #next(id: string, gateway: Gateway): Receipt | undefined {
    const { progress } = this.#holdings.gateway(id);
    const order = progress.epochs();
    const current = order.at(-1);
    for (const epoch of order) {
      const anyway = gateway.epochs.get(epoch);
      if (anyway === undefined) continue;
      gateway.epochs.delete(epoch);
      const payload = JSON.stringify({ epoch, upto: progress.upto(epoch) });
      if (!anyway && gateway.told.get(epoch) === payload) continue;
      gateway.told.set(epoch, payload);
      if (epoch !== current && current !== undefined) gateway.epochs.set(current, true);
      return { gateway: id, epoch, payload };
    }
    // Epochs that the progress has let go.
    gateway.epochs.clear();
    return undefined;
  }

  #gateway(id: string): Gateway {
    let gateway = this.#gateways.get(id);
    if (gateway === undefined) {
      gateway = { epochs: new Map(), told: new Map(), nextMs: Number.NEGATIVE_INFINITY };
      this.#gateways.set(id, gateway);
    }
    return gateway;
  }
}
