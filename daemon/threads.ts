/** Starts the two threads beside the field thread, each with what it needs to know and nothing more. */
import type { Site } from "../config/site.ts";
import type { GatewayClock } from "../core/gateway-clock.ts";
import type { Logger } from "../core/log.ts";
import type { SignalTable } from "../core/signals.ts";
import { SOFTWARE } from "../core/version.ts";
import type { FromStorage, StorageInit, StorageReport, ToStorage } from "../store-forward/protocol.ts";
import type { FromStatus, StatusInit, ToStatus } from "./status/protocol.ts";
import { ThreadHandle } from "./thread-handle.ts";

export type LogFormat = StatusInit["logFormat"];

export interface ThreadsOptions {
  readonly site: Site;
  readonly table: SignalTable;
  readonly log: Logger;
  readonly configFile: string;
  readonly logFormat: LogFormat;
  readonly clock: Pick<GatewayClock, "synced" | "aheadMs">;
}

export function startStatus(
  options: ThreadsOptions & { readonly onMessage: (message: FromStatus) => void },
): ThreadHandle<ToStatus | StorageReport, FromStatus> {
  const { site, table } = options;
  const workerData: StatusInit = {
    gateway: site.gateway.id,
    software: SOFTWARE,
    configFile: options.configFile,
    local: site.local,
    fastPathTargets: site.fast_path.to.map(({ host, port }) => `${host}:${port}`),
    signals: table.signals.map(({ asset, name, type, unit }) => {
      return unit === undefined ? { asset, name, type } : { asset, name, type, unit };
    }),
    assets: table.assets.map(({ id, kind, source, profile }) => {
      return profile === undefined ? { id, kind, source } : { id, kind, source, profile };
    }),
    logFormat: options.logFormat,
    storePath: site.store.path,
  };
  const url = new URL("./status/thread.ts", import.meta.url);
  return new ThreadHandle({ name: "status", url, workerData, onMessage: options.onMessage, log: options.log });
}

export interface StorageOptions extends ThreadsOptions {
  readonly onReady: (ready: { readonly boot: number; readonly epoch: string }) => void;
  readonly onTaken: () => void;
  /** The thread died with whatever was not durable. */
  readonly onLost: () => void;
  readonly onReport: (report: StorageReport) => void;
}

export function startStorage(options: StorageOptions): ThreadHandle<ToStorage, FromStorage | StorageReport> {
  const { site, table, log, onReady, onTaken, onLost, onReport } = options;
  const workerData: StorageInit = {
    gateway: site.gateway.id,
    software: SOFTWARE,
    birth: table.birth,
    birthId: table.birthId,
    store: site.store,
    uplink: site.uplink,
    // Asked at each start: a thread that is started again finds the clock as it is then.
    get synced() {
      return options.clock.synced;
    },
    get aheadMs() {
      return options.clock.aheadMs;
    },
  };
  const onMessage = (message: FromStorage | StorageReport): void => {
    if (message.type === "taken") onTaken();
    else if (message.type === "ready") onReady(message);
    else if (message.type !== "stopped") onReport(message);
  };
  const url = new URL("../store-forward/thread.ts", import.meta.url);
  return new ThreadHandle({ name: "storage", url, workerData, onMessage, onLost, log });
}
