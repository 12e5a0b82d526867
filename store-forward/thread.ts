/** The storage thread: hand-off → outbox → uplink, wired. */
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { isAbort } from "../core/errors.ts";
import { Logger } from "../core/log.ts";
import { publishIntervalMs } from "./config.ts";
import { CommitLoop } from "./outbox/commit-loop.ts";
import { DiskWrites } from "./outbox/disk-writes.ts";
import { hardwareHash } from "./outbox/hardware.ts";
import { LatestValues } from "./outbox/latest-values.ts";
import { Outbox } from "./outbox/outbox.ts";
import { StorageClock } from "./outbox/storage-clock.ts";
import type { FromStorage, StorageInit, StorageReport, ToStorage } from "./protocol.ts";
import { Reports } from "./reports.ts";
import type { Receipt } from "./uplink/options.ts";
import { Uplink } from "./uplink/uplink.ts";

/** Hand-offs that are answered at once; fewer than the hand-off leaves unanswered (gateway.ts) by far. */
const ANSWERED_TOGETHER = 16;
/** How often a change of state is looked for. */
const CHANGE_MS = 200;

interface Port {
  post(message: FromStorage | StorageReport): void;
  listen(take: (message: ToStorage) => void): void;
  close(): void;
}

interface Parts {
  readonly init: StorageInit;
  readonly port: Port;
  readonly clock: StorageClock;
  readonly log: Logger;
  /** Opened. */
  readonly outbox: Outbox;
  readonly writes: DiskWrites;
}

class StorageThread {
  readonly #port: Port;
  readonly #log: Logger;
  readonly #clock: StorageClock;
  readonly #outbox: Outbox;
  readonly #uplink: Uplink;
  readonly #loop: CommitLoop;
  readonly #latest: LatestValues;
  readonly #prune: boolean;
  #lastReceipt: Receipt | undefined;
  /** Hand-offs taken and not answered. */
  #unanswered = 0;
  readonly #stopCommits = new AbortController();
  readonly #stopUplink = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  readonly #reports: Reports;
  #looks: NodeJS.Timeout | undefined;

  constructor({ init, port, clock, log, outbox, writes }: Parts) {
    this.#port = port;
    this.#log = log;
    this.#clock = clock;
    this.#outbox = outbox;
    this.#latest = new LatestValues(init.birth);
    this.#prune = init.uplink.prune_on === "receipt";
    this.#loop = new CommitLoop({
      outbox,
      get commitIntervalMs() {
        return writes.commitIntervalMs;
      },
      monoMs: () => clock.monoMs(),
      onCommitted: () => this.#reports.look(),
    });
    this.#uplink = new Uplink({
      gateway: init.gateway,
      boot: outbox.boot,
      config: init.uplink,
      queue: outbox,
      log: log.for("uplink"),
      clock,
      onRejected: ({ stream, at, text }) => outbox.reject(stream, at, text),
      latestValues: () => this.#latest.assets(),
      onReceipt: (receipt) => this.#receipt(receipt),
      onRelease: () => this.#release(),
      trafficPath: `${init.store.path}.traffic`,
      shownPath: `${init.store.path}.now`,
    });
    this.#reports = new Reports({ outbox, uplink: this.#uplink, clock, post: (report) => this.#tell(report) });
  }

  start(): void {
    const { boot, epoch } = this.#outbox;
    this.#port.listen((message) => this.#take(message));
    this.#port.post({ type: "ready", boot, epoch });
    this.#running = Promise.all([
      this.#loop.run(this.#stopCommits.signal),
      this.#uplink.run(this.#stopUplink.signal).catch((error: unknown) => this.survive(error)),
    ]);
    this.#looks = setInterval(() => this.#reports.look(), CHANGE_MS);
    this.#reports.look();
  }

  /** Nothing that goes wrong here may cost the samples in memory: it is told, and the thread goes on. */
  survive(error: unknown): void {
    if (!isAbort(error)) this.#log.error("unexpected error on the storage thread", { error });
  }

  #receipt(receipt: Receipt): boolean {
    this.#lastReceipt = receipt;
    const verdict = this.#outbox.takeReceipt(receipt, this.#prune);
    if (verdict === "ahead") this.#uplink.rewind();
    return verdict !== "foreign";
  }

  /** The receipt may have come while the outbox could not be read. */
  #release(): boolean {
    const receipt = this.#lastReceipt;
    if (receipt === undefined || this.#outbox.takeReceipt(receipt, this.#prune) !== "ahead")
      return this.#outbox.release();
    this.#uplink.rewind();
    return false;
  }

  #take(message: ToStorage): void {
    if (message.type === "stop") {
      void this.#stop(message.drainMs);
      return;
    }
    if (message.type === "critical") this.#outbox.takeCritical(message);
    else {
      // In memory is safe enough to answer: the commit that makes it durable moves `durable_until`, not this.
      this.#outbox.take(message);
      this.#unanswered++;
      if (this.#unanswered >= ANSWERED_TOGETHER) this.#answer();
      this.#clock.follow(message.watermark, message.synced, message.era);
      this.#latest.take(message.bytes);
    }
    if (this.#outbox.urgent || this.#outbox.full) this.#loop.poke();
  }

  /** Each message wakes the field thread: an answer goes with a report, and alone only when many wait for it. */
  #answer(): void {
    if (this.#unanswered === 0) return;
    this.#port.post({ type: "taken", count: this.#unanswered });
    this.#unanswered = 0;
  }

  #tell(report: StorageReport): void {
    this.#answer();
    this.#port.post(report);
  }

  async #stop(drainMs: number): Promise<void> {
    this.#stopCommits.abort();
    this.#outbox.commit({ seal: true, final: true });
    await this.#uplink.drained(AbortSignal.timeout(drainMs));
    this.#stopUplink.abort();
    await this.#running.catch((error: unknown) => this.survive(error));
    if (!this.#outbox.commit({ final: true })) {
      this.#log.error("stopped while the outbox could not be written: what was in memory is lost");
    }
    this.#reports.finish();
    this.#outbox.close();
    clearInterval(this.#looks);
    this.#port.post({ type: "stopped" });
    this.#port.close();
  }
}

function openOutbox(init: StorageInit, { clock, log, writes }: Pick<Parts, "clock" | "log" | "writes">): Outbox {
  const { gateway, birth, birthId, store, uplink, synced } = init;
  const outbox = new Outbox({
    path: store.path,
    gateway,
    birth,
    birthId,
    budget: { maxBytes: store.max_size, minFreeBytes: store.min_free },
    publishIntervalMs: publishIntervalMs(uplink),
    ...(store.expire_after === undefined ? {} : { expireAfterMs: store.expire_after }),
    synced,
    clock,
    log,
    writes,
    hardware: hardwareHash(gateway),
  });
  outbox.open();
  return outbox;
}

function main(parent: NonNullable<typeof parentPort>): void {
  const init = workerData as StorageInit;
  const port: Port = {
    post: (message) => parent.postMessage(message),
    listen: (take) => parent.on("message", take),
    close: () => parent.close(),
  };
  const clock = new StorageClock(init.synced, init.aheadMs);
  const log = new Logger("outbox", (entry) => port.post({ type: "log", entry }));
  const { commit_interval: commitIntervalMs, daily_writes: dailyBytes } = init.store;
  const writes = new DiskWrites({ commitIntervalMs, dailyBytes, clock });
  const outbox = openOutbox(init, { clock, log, writes });
  const thread = new StorageThread({ init, port, clock, log, outbox, writes });
  process.on("uncaughtException", (error) => thread.survive(error));
  process.on("unhandledRejection", (error) => thread.survive(error));
  thread.start();
}

if (!isMainThread && parentPort !== null) main(parentPort);
