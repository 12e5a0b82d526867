/** The storage thread itself, outbox and uplink, on files of a test: fed by hand, its reports kept. */
import type { TestContext } from "node:test";
import { Worker } from "node:worker_threads";
import type { Batch } from "../../core/sample.ts";
import { birthIdOf } from "../../core/signals.ts";
import { storeConfig, uplinkConfig } from "../../store-forward/config.ts";
import type {
  FromStorage,
  OutboxStatus,
  StorageInit,
  StorageReport,
  ToStorage,
  UplinkStatus,
} from "../../store-forward/protocol.ts";
import { BIRTH, GATEWAY, packed } from "../store-forward/outbox/support.ts";

export interface StorageRunOptions {
  readonly path: string;
  readonly store?: Readonly<Record<string, unknown>>;
  /** With its `url`; records are sealed every 250 ms unless it says otherwise. */
  readonly uplink: Readonly<Record<string, unknown>>;
}

export class StorageRun {
  outbox: OutboxStatus | undefined;
  uplink: UplinkStatus | undefined;
  epoch: string | undefined;
  readonly #worker: Worker;

  constructor(t: TestContext, { path, store, uplink }: StorageRunOptions) {
    const workerData: StorageInit = {
      gateway: GATEWAY,
      software: "busbar 0.1.0",
      birth: BIRTH,
      birthId: birthIdOf(BIRTH),
      store: storeConfig.parse({ path, commit_interval: "50 ms", min_free: "0 B", ...store }),
      uplink: uplinkConfig.parse({ publish_interval: "250 ms", ...uplink }),
      synced: true,
    };
    this.#worker = new Worker(new URL("../../store-forward/thread.ts", import.meta.url), { workerData });
    t.after(() => this.#worker.terminate());
    this.#worker.on("message", (message: FromStorage | StorageReport) => {
      if (message.type === "ready") this.epoch = message.epoch;
      if (message.type !== "store") return;
      this.outbox = message.outbox;
      this.uplink = message.uplink;
    });
  }

  post(message: ToStorage): void {
    this.#worker.postMessage(message);
  }

  give(...batches: readonly Batch[]): void {
    const watermark = Math.floor((batches.at(-1)?.tUs ?? 0) / 1000);
    this.post({ type: "batches", ...packed(...batches), watermark, synced: true });
  }

  /** At once and without a word, like a crash. */
  async kill(): Promise<void> {
    await this.#worker.terminate();
  }
}
