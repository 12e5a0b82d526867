/** A recorded run: the daemon's storage thread on a recorded disk, under load, with a broker that acknowledges. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { Logger } from "../../core/log.ts";
import { birthIdOf } from "../../core/signals.ts";
import { startCloud } from "../../hw-sim/cloud.ts";
import type { Random } from "../../hw-sim/random.ts";
import { storeConfig, uplinkConfig } from "../../store-forward/config.ts";
import type { FromStorage, StorageInit, StorageReport, ToStorage } from "../../store-forward/protocol.ts";
import { BIRTH, GATEWAY } from "../store-forward/outbox/support.ts";
import { until } from "../support/wait.ts";
import { RecordedDisk } from "./disk.ts";
import { type Entry, Order } from "./order.ts";
import { RecordTap } from "./record-tap.ts";
import { Workload } from "./workload.ts";

/** `synchronous` of the thread that writes; FULL is the product, untouched. */
export type Writer = "FULL" | "NORMAL" | "OFF";

export interface RecordingOptions {
  /** A file system as it was before; not changed. */
  readonly image: Buffer;
  readonly writer: Writer;
  readonly random: Random;
  /** Milliseconds of load in each life of the storage thread. */
  readonly livesMs: readonly number[];
  /** The first number that no sample or event had before. */
  readonly firstNumber: number;
  /** For mount points; made, and left empty. */
  readonly workDir: string;
}

const LIMIT_MS = 15_000;
/** The store's path on the disk. */
export const STORE = "busbar/outbox.db";

/** Everything that the disk was asked and everybody was told, in order. */
export async function record(options: RecordingOptions): Promise<readonly Entry[]> {
  const { writer, random, livesMs, workDir } = options;
  const order = new Order();
  await mkdir(workDir, { recursive: true });
  const log = new Logger("cloud", () => undefined);
  await using cloud = await startCloud({ host: "127.0.0.1", port: 0, log });
  await using tap = new RecordTap(cloud.port, order, random);
  const port = await tap.listen();
  await using disk = new RecordedDisk(Buffer.from(options.image), order, workDir);
  await disk.mount();
  const workload = new Workload(order, random, options.firstNumber);
  const init = initOf(join(disk.dir, STORE), port);
  for (const [life, ms] of livesMs.entries()) {
    await using thread = new StorageLife(init, writer, order);
    const boot = await thread.ready();
    tap.up = true;
    await workload.run({ post: (message) => thread.post(message), boot, forMs: ms, setLink: (up) => (tap.up = up) });
    // Every other life ends in order, the rest without a word.
    if (life % 2 === 0) await thread.stop();
  }
  return order.entries;
}

function initOf(path: string, port: number): StorageInit {
  return {
    gateway: GATEWAY,
    software: "power-cut rig",
    birth: BIRTH,
    birthId: birthIdOf(BIRTH),
    store: storeConfig.parse({ path, commit_interval: "50 ms", min_free: "0 B" }),
    uplink: uplinkConfig.parse({ url: `mqtt://127.0.0.1:${port}`, protocol: "3.1.1", publish_interval: "250 ms" }),
    synced: true,
  };
}

/** One life of the storage thread; what it tells goes into the order as it arrives. */
class StorageLife {
  readonly #worker: Worker;
  readonly #order: Order;
  #boot: number | undefined;
  #stopped = false;
  #failure: Error | undefined;

  constructor(init: StorageInit, writer: Writer, order: Order) {
    const file = writer === "FULL" ? "../../store-forward/thread.ts" : "./weak-thread.ts";
    this.#order = order;
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData: init, argv: [writer] });
    this.#worker.on("message", (message: FromStorage | StorageReport) => this.#take(message));
    this.#worker.on("error", (error) => {
      this.#failure = error;
    });
  }

  async ready(): Promise<number> {
    await until("the storage thread is ready", () => this.#healthy() && this.#boot !== undefined, LIMIT_MS);
    return this.#boot ?? 0;
  }

  post(message: ToStorage): void {
    this.#healthy();
    this.#worker.postMessage(message);
  }

  async stop(): Promise<void> {
    this.#worker.postMessage({ type: "stop", drainMs: 300 } satisfies ToStorage);
    await until("the storage thread stops", () => this.#healthy() && this.#stopped, LIMIT_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }

  /** True; throws what went wrong on the thread: a run with errors proves nothing about power cuts. */
  #healthy(): boolean {
    if (this.#failure !== undefined) throw this.#failure;
    return true;
  }

  #take(message: FromStorage | StorageReport): void {
    if (message.type === "ready") {
      this.#boot = message.boot;
      this.#order.note({ kind: "booted", boot: message.boot, epoch: message.epoch });
    } else if (message.type === "store") {
      const { state, error, boot, durable_until: until } = message.outbox;
      if (state !== "ok" || error !== undefined) this.#failure = new Error(`outbox is ${state}: ${error}`);
      else if (until > 0) this.#order.note({ kind: "durable", boot, until });
    } else if (message.type === "stopped") this.#stopped = true;
    else if (message.type === "log" && message.entry.level === "error") {
      this.#failure = new Error(`storage thread: ${message.entry.text} ${JSON.stringify(message.entry.fields)}`);
    }
  }
}
