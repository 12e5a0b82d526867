/** What the bridge says to gateways: receipts when they are due, and signs of life while Kafka takes what they send. */
import { uplinkPrefix } from "../core/topics.ts";
import type { Feed } from "./feed.ts";
import type { PartitionMetrics } from "./metrics.ts";
import type { Receipts } from "./receipts.ts";

export interface VoiceOptions {
  readonly feed: Pick<Feed, "retain" | "send" | "problem">;
  readonly receipts: Receipts;
  readonly metrics: Pick<PartitionMetrics, "receipt">;
  readonly slots: readonly string[];
  readonly bridgeId: string;
}

const TICK_MS = 250;
const ALIVE_MS = 60_000;

export class Voice implements Disposable {
  readonly #o: VoiceOptions;
  readonly #timer: NodeJS.Timeout;
  #aliveMs = Number.NEGATIVE_INFINITY;

  constructor(options: VoiceOptions) {
    this.#o = options;
    this.#timer = setInterval(() => this.#tick(performance.now()), TICK_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #tick(nowMs: number): void {
    const { feed, receipts, slots, bridgeId } = this.#o;
    if (feed.problem !== undefined) return;
    for (const receipt of receipts.due(nowMs)) void this.#tell(receipt);
    if (nowMs - this.#aliveMs < ALIVE_MS) return;
    this.#aliveMs = nowMs;
    const payload = JSON.stringify({ bridge: bridgeId, ts: Date.now() });
    for (const slot of slots) feed.send(`busbar/v1/${slot}/bridge/alive`, payload);
  }

  async #tell({ gateway, epoch, payload }: { gateway: string; epoch: string; payload: string }): Promise<void> {
    const taken = await this.#o.feed.retain(`${uplinkPrefix(gateway)}/receipt`, payload);
    if (taken) this.#o.metrics.receipt();
    else this.#o.receipts.repeat({ gateway, epoch });
  }
}
