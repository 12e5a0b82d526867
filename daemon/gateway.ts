/**
 * The gateway, as docs/ARCHITECTURE.md draws it: sources → pipeline → (fast path, latest values, hand-off) on this
 * thread, storage and uplink on a second, status on a third.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Site } from "../config/site.ts";
import { BusbarError } from "../core/errors.ts";
import type { GatewayClock } from "../core/gateway-clock.ts";
import { Logger } from "../core/log.ts";
import type { Batch } from "../core/sample.ts";
import { buildSignalTable, type SignalTable } from "../core/signals.ts";
import { SOFTWARE } from "../core/version.ts";
import { HandOff } from "../store-forward/hand-off.ts";
import type { StorageReport } from "../store-forward/protocol.ts";
import { ClockKeeper, type ClockStepEvent } from "./clock-keeper.ts";
import { watchClock } from "./clock-watch.ts";
import { createDrivers } from "./drivers.ts";
import { FastPathSender } from "./fast-path/sender.ts";
import { Pipeline } from "./pipeline/pipeline.ts";
import { type SourceEvent, SupervisedSource } from "./source.ts";
import { GATEWAY_ASSET, gatewayAsset } from "./status/host-signals.ts";
import type { FromStatus, SourceStatus } from "./status/protocol.ts";
import { type LogFormat, startStatus, startStorage } from "./threads.ts";

/** Hand-off and watermark. */
const TICK_MS = 100;
/** Values to the status thread. */
const VALUES_MS = 250;
const SOURCES_MS = 1000;
/** The storage thread answers when its outbox is open or known not to open; polling does not wait longer for it. */
const READY_TIMEOUT_MS = 3000;
/** What was served before the stop and is still on its way, in a socket or a USB adapter, is read first. */
const LAST_REPLIES_MS = 150;
const SOURCES_STOP_MS = 3000;
const DRAIN_MS = 3000;
const HAND_OFF = { maxPending: 64, bufferBytes: 64 * 1024 };

export interface GatewayOptions {
  readonly configFile: string;
  readonly logFormat: LogFormat;
  readonly clock: GatewayClock;
}

export class Gateway {
  readonly #clock: GatewayClock;
  readonly #clockKeeper: ClockKeeper;
  readonly #log: Logger;
  readonly #table: SignalTable;
  readonly #numbers = new Map<string, number>();
  readonly #status: ReturnType<typeof startStatus>;
  readonly #storage: ReturnType<typeof startStorage>;
  readonly #handOff: HandOff;
  readonly #fastPath: FastPathSender;
  readonly #pipeline: Pipeline;
  readonly #sources: readonly SupervisedSource[];
  /** Samples dropped by the hand-off, at the last tick. */
  #droppedSeen = 0;

  /** Throws BusbarError PROFILE_INVALID for a profile that does not load (configuration checking finds it earlier). */
  constructor(site: Site, options: GatewayOptions) {
    const drivers = createDrivers(site);
    this.#clock = options.clock;
    this.#log = new Logger("daemon", (entry) => this.#status.post({ type: "log", entry }));
    this.#table = buildSignalTable(site.gateway.id, SOFTWARE, [
      ...drivers.flatMap((driver) => driver.assets),
      gatewayAsset(),
    ]);
    for (const { n, asset, name } of this.#table.signals) this.#numbers.set(`${asset}\n${name}`, n);
    const threads = { site, table: this.#table, log: this.#log, ...options };
    this.#status = startStatus({ ...threads, onMessage: (message) => this.#fromStatus(message) });
    this.#storage = startStorage({
      ...threads,
      onReport: (report) => this.#fromStorage(report),
      onTaken: () => this.#handOff.taken(),
      onLost: () => this.#storageDied(),
      onReady: ({ boot }) => this.#storageReady(boot),
    });
    this.#handOff = new HandOff({
      post: (message, transfer) => this.#storage.post(message, transfer),
      clock: this.#clock,
      ...HAND_OFF,
    });
    this.#fastPath = new FastPathSender({
      gateway: site.gateway.id,
      signals: this.#table.signals,
      targets: site.fast_path.to,
      clock: this.#clock,
      log: this.#log.for("fast-path"),
    });
    this.#pipeline = new Pipeline({
      table: this.#table,
      clock: this.#clock,
      send: (batch) => this.#fastPath.send(batch),
      store: (batch) => this.#handOff.add(batch),
    });
    this.#clockKeeper = new ClockKeeper({
      clock: this.#clock,
      log: this.#log.for("clock"),
      pipeline: this.#pipeline,
      handOff: this.#handOff,
      tellTime: (record) => this.#storage.post({ type: "critical", kind: "time", synced: true, ...record }),
      tellStep: (event) => this.#event(event),
    });
    this.#sources = drivers.map((driver) => {
      return new SupervisedSource({
        driver,
        clock: this.#clock,
        log: this.#log,
        number: (asset, signal) => this.#number(asset, signal),
        emit: (batch) => this.#pipeline.take(batch),
        onEvent: (event) => this.#event(event),
        wait: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined),
      });
    });
  }

  /** Runs until `signal` aborts, then stops in order: sources, hand-off, storage with its uplink, status. */
  async run(signal: AbortSignal): Promise<void> {
    this.#status.start();
    const statusReady = this.#status.next("ready", READY_TIMEOUT_MS);
    this.#storage.start();
    if ((await this.#storage.next("ready", READY_TIMEOUT_MS)) === undefined) {
      this.#log.warn("storage is slow to open; polling starts without it");
      this.#fastPath.start(Math.floor(this.#clock.wallUs() / 1e6), this.#clock.synced);
    }
    await statusReady;
    this.#log.info("running", { sources: this.#sources.length, signals: this.#table.signals.length });
    const timers = this.#startTimers();
    if (!this.#clock.synced) watchClock(() => this.#clockKeeper.trust(), this.#log, signal);
    const stopSources = new AbortController();
    const stopped = Promise.all(this.#sources.map((source) => source.run(stopSources.signal)));
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    this.#log.info("stopping");
    await sleep(LAST_REPLIES_MS);
    stopSources.abort();
    await Promise.race([stopped, sleep(SOURCES_STOP_MS, undefined, { ref: false })]);
    for (const timer of timers) clearInterval(timer);
    await this.#stop();
  }

  async #stop(): Promise<void> {
    this.#handOff.finish(this.#pipeline.finish());
    this.#fastPath.close();
    const clean = await this.#storage.stop({ type: "stop", drainMs: DRAIN_MS }, DRAIN_MS + 5000);
    if (!clean) this.#log.error("storage did not stop in time; what was not committed is lost");
    await this.#status.stop({ type: "stop" }, 2000);
  }

  #startTimers(): NodeJS.Timeout[] {
    return [
      setInterval(() => this.#tick(), TICK_MS),
      setInterval(() => this.#status.post({ type: "values", ...this.#pipeline.latest.takeChanged() }), VALUES_MS),
      setInterval(() => this.#tellSources(), SOURCES_MS),
    ];
  }

  #tick(): void {
    this.#clockKeeper.tick();
    const { dropped } = this.#handOff;
    if (dropped !== this.#droppedSeen) this.#pipeline.storeLost();
    this.#droppedSeen = dropped;
    this.#handOff.flush(this.#pipeline.tick());
  }

  #tellSources(): void {
    const sources: SourceStatus[] = this.#sources.map((source) => source.status());
    this.#status.post({ type: "sources", sources, fastPath: this.#fastPath.status() });
  }

  #number(asset: string, signal: string): number {
    const n = this.#numbers.get(`${asset}\n${signal}`);
    if (n === undefined) throw new BusbarError("INTERNAL", `signal ${signal} of ${asset} was never declared`);
    return n;
  }

  #event(event: SourceEvent | ClockStepEvent): void {
    const { asset = GATEWAY_ASSET, ...rest } = { asset: undefined, ...event };
    const t0 = Math.floor(this.#clock.wallUs() / 1000);
    const body = `"event":${JSON.stringify(rest)}`;
    this.#storage.post({ type: "critical", kind: "event", asset, t0, body, synced: this.#clock.synced });
    this.#status.post({ type: "event", event: { ts: t0, ...event } });
    this.#tellSources();
  }

  #fromStorage(report: StorageReport): void {
    if (report.type === "store") {
      const { durable_until: untilMs, clock_jumps: era } = report.outbox;
      this.#handOff.durable(untilMs, era);
      this.#clockKeeper.durable(era ?? 0);
    }
    this.#status.post(report);
  }

  #storageReady(boot: number): void {
    this.#fastPath.start(boot, this.#clock.synced);
    this.#clockKeeper.storageReady(boot);
  }

  #storageDied(): void {
    const samples = this.#handOff.lost();
    this.#log.error("what the storage thread had not committed is lost; a gap tells it", { samples });
  }

  /** It starts with nothing: after its death, too. */
  #statusReady(problems: readonly string[]): void {
    for (const problem of problems) this.#log.warn(problem);
    this.#status.post({ type: "signals", json: this.#fastPath.tableJson });
    this.#pipeline.latest.tellAll();
    this.#tellSources();
  }

  #fromStatus(message: FromStatus): void {
    if (message.type === "ready") this.#statusReady(message.problems);
    if (message.type !== "host" || message.samples.length === 0) return;
    const batch: Batch = {
      tUs: this.#clock.wallUs(),
      numbers: message.samples.map(({ signal }) => this.#number(GATEWAY_ASSET, signal)),
      values: message.samples.map(({ value }) => value),
      quality: message.samples.map(() => 0 as const),
    };
    this.#pipeline.take(batch);
  }
}
