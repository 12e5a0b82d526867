/** The two threads beside the field thread: each is told what it needs and nothing more, and is watched. */
import type { Site } from "../config/site.ts";
import type { GatewayClock } from "../core/gateway-clock.ts";
import { Logger } from "../core/log.ts";
import type { SignalTable } from "../core/signals.ts";
import { SOFTWARE } from "../core/version.ts";
import type { FromStorage, StorageInit, StorageReport, ToStorage } from "../store-forward/protocol.ts";
import type { LogRoute } from "./log-route.ts";
import { Vitals } from "./service/vitals.ts";
import type { FromStatus, StatusInit, ToStatus } from "./status/protocol.ts";
import { ThreadHandle } from "./thread-handle.ts";

export type LogFormat = StatusInit["logFormat"];

/** The storage thread answers when its outbox is open or known not to open; polling does not wait longer for it. */
const READY_TIMEOUT_MS = 3000;
/** What storage needs beside the drain to commit, seal and close. */
const STORAGE_STOP_MS = 5000;
const STATUS_STOP_MS = 2000;
/** A drain makes garbage at the speed of the link; with V8's default it took 190 MB more than waiting did. */
const STORAGE_YOUNG_MB = 3;
/** Never needed; but V8 lets a heap that may be large grow to several times what lives in it before it looks at that. */
const STORAGE_OLD_MB = 256;

type Stored = Extract<StorageReport, { type: "store" }>;

export interface ThreadsOptions {
  readonly site: Site;
  readonly table: SignalTable;
  readonly configFile: string;
  readonly logFormat: LogFormat;
  readonly clock: Pick<GatewayClock, "synced" | "aheadMs" | "monoMs">;
  readonly logs: LogRoute;
  /** Storage takes messages, under that boot and epoch; again after its death. */
  readonly onStorageReady: (boot: number, epoch: string) => void;
  readonly onTaken: (handOffs: number) => void;
  readonly onStored: (report: Stored) => void;
  /** It died with whatever was not durable. */
  readonly onStorageLost: () => void;
  /** It starts with nothing: after its death, too. */
  readonly onStatusReady: () => void;
  /** Somebody looks there, or nobody does any more. */
  readonly onWatched: (watched: boolean) => void;
  readonly onHost: (samples: Extract<FromStatus, { type: "host" }>["samples"]) => void;
}

export class Threads {
  readonly vitals: Vitals;
  /** The local broker and the page listen, or are known not to. */
  statusIsUp = false;
  /** What storage told last. */
  stored: Stored | undefined;
  readonly #o: ThreadsOptions;
  readonly #log: Logger;
  readonly #status: ThreadHandle<ToStatus | StorageReport, FromStatus>;
  readonly #storage: ThreadHandle<ToStorage, FromStorage | StorageReport>;

  constructor(options: ThreadsOptions) {
    const { site, clock, logs } = options;
    this.#o = options;
    this.#log = new Logger("daemon", (entry) => logs.take(entry));
    this.vitals = new Vitals({ commitIntervalMs: site.store.commit_interval, nowMs: clock.monoMs() });
    this.#status = new ThreadHandle({
      name: "status",
      url: new URL("./status/thread.ts", import.meta.url),
      workerData: statusInit(options),
      onMessage: (message) => this.#fromStatus(message),
      onLost: () => this.#statusLost(),
      log: this.#log,
    });
    this.#storage = new ThreadHandle({
      name: "storage",
      url: new URL("../store-forward/thread.ts", import.meta.url),
      workerData: storageInit(options),
      maxYoungGenerationSizeMb: STORAGE_YOUNG_MB,
      maxOldGenerationSizeMb: STORAGE_OLD_MB,
      onMessage: (message) => this.#fromStorage(message),
      onLost: () => this.#storageLost(),
      log: this.#log,
    });
  }

  toStorage(message: ToStorage, transfer: ArrayBuffer[] = []): void {
    this.#storage.post(message, transfer);
  }

  toStatus(message: ToStatus): void {
    this.#status.post(message);
  }

  /** Resolves when both take messages, or after 3 s. False: storage still opens its outbox. */
  async start(): Promise<boolean> {
    this.#status.start();
    const statusReady = this.#status.next("ready", READY_TIMEOUT_MS);
    this.#storage.start();
    const storageReady = await this.#storage.next("ready", READY_TIMEOUT_MS);
    await statusReady;
    return storageReady !== undefined;
  }

  /** Storage with its uplink, which may send for `drainMs`, then status. */
  async stop(drainMs: number): Promise<void> {
    const clean = await this.#storage.stop({ type: "stop", drainMs }, drainMs + STORAGE_STOP_MS);
    if (!clean) this.#log.error("storage did not stop in time; what was not committed is lost");
    // Lines from here on wait for the next status thread.
    this.#o.logs.close();
    await this.#status.stop({ type: "stop" }, STATUS_STOP_MS);
  }

  #fromStorage(message: FromStorage | StorageReport): void {
    const { clock, logs, onTaken, onStorageReady, onStored } = this.#o;
    if (message.type === "taken") onTaken(message.count);
    else if (message.type === "log") logs.take(message.entry);
    else if (message.type === "ready") {
      this.vitals.threadReady("storage", clock.monoMs());
      onStorageReady(message.boot, message.epoch);
    } else if (message.type === "store") {
      this.vitals.threadSpoke("storage", clock.monoMs());
      this.vitals.outbox(message.outbox, clock.monoMs());
      this.stored = message;
      onStored(message);
      this.#status.post(message);
    }
  }

  #storageLost(): void {
    this.vitals.threadLost("storage", this.#o.clock.monoMs());
    this.#o.onStorageLost();
  }

  #fromStatus(message: FromStatus): void {
    const { clock, logs, onStatusReady, onWatched, onHost } = this.#o;
    logs.spoke();
    this.vitals.threadSpoke("status", clock.monoMs());
    if (message.type === "host" && message.samples.length > 0) onHost(message.samples);
    if (message.type === "watched") onWatched(message.watched);
    if (message.type !== "ready") return;
    this.vitals.threadReady("status", clock.monoMs());
    this.statusIsUp = true;
    logs.open((entry) => this.#status.post({ type: "log", entry }));
    for (const problem of message.problems) this.#log.warn(problem);
    onStatusReady();
  }

  #statusLost(): void {
    this.vitals.threadLost("status", this.#o.clock.monoMs());
    this.statusIsUp = false;
    this.#o.logs.close();
  }
}

function statusInit({ site, table, configFile, logFormat }: ThreadsOptions): StatusInit {
  return {
    gateway: site.gateway.id,
    software: SOFTWARE,
    configFile,
    local: site.local,
    fastPathTargets: site.fast_path.to.map(({ host, port }) => `${host}:${port}`),
    signals: table.signals.map(({ asset, name, type, unit }) => {
      return unit === undefined ? { asset, name, type } : { asset, name, type, unit };
    }),
    assets: table.assets.map(({ id, kind, source, profile }) => {
      return profile === undefined ? { id, kind, source } : { id, kind, source, profile };
    }),
    logFormat,
    storePath: site.store.path,
  };
}

function storageInit({ site, table, clock }: ThreadsOptions): StorageInit {
  return {
    gateway: site.gateway.id,
    software: SOFTWARE,
    birth: table.birth,
    birthId: table.birthId,
    store: site.store,
    uplink: site.uplink,
    // Asked at each start: a thread that is started again finds the clock as it is then.
    get synced() {
      return clock.synced;
    },
    get aheadMs() {
      return clock.aheadMs;
    },
  };
}
