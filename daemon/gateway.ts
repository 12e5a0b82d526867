/**
 * The gateway, as docs/ARCHITECTURE.md draws it: sources → pipeline → (fast path, latest values, hand-off) on this
 * thread, storage and uplink on a second, status on a third. A changed configuration makes a new gateway, to which this
 * one gives what goes on unchanged.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Site } from "../config/site.ts";
import type { GatewayClock } from "../core/gateway-clock.ts";
import { Logger } from "../core/log.ts";
import { type Batch, GOOD } from "../core/sample.ts";
import { buildSignalTable, type SignalTable } from "../core/signals.ts";
import { SOFTWARE } from "../core/version.ts";
import type { Driver } from "../drivers/driver.ts";
import { HandOff } from "../store-forward/hand-off.ts";
import { ClockKeeper } from "./clock-keeper.ts";
import { watchClock } from "./clock-watch.ts";
import { CriticalRecords } from "./critical.ts";
import { FastPathSender } from "./fast-path/sender.ts";
import { tableJson } from "./fast-path/table.ts";
import { handLatest, type LatestEnd } from "./hand-latest.ts";
import type { LogRoute } from "./log-route.ts";
import { Pipeline } from "./pipeline/pipeline.ts";
import type { StatusParts } from "./service/status-line.ts";
import type { Vitals } from "./service/vitals.ts";
import { signalNumbers } from "./signal-numbers.ts";
import { type SourceEvent, type SourceOwner, SupervisedSource } from "./source.ts";
import { findSource, Sources } from "./sources.ts";
import { GATEWAY_ASSET, gatewayAsset } from "./status/host-signals.ts";
import { StatusFeed } from "./status-feed.ts";
import { type LogFormat, Threads } from "./threads.ts";

/** Hand-off and watermark. */
const TICK_MS = 100;
const DRAIN_MS = 3000;
const HAND_OFF = { maxPending: 64, bufferBytes: 64 * 1024 };

export interface GatewayOptions {
  readonly configFile: string;
  readonly logFormat: LogFormat;
  readonly clock: GatewayClock;
  readonly logs: LogRoute;
  /** By source of the site: equal keys, equal configuration (service/read-config.ts). */
  readonly sourceKeys: readonly string[];
  /** The number that this boot will most likely have, for datagrams while storage still opens. */
  readonly likelyBoot: number;
  /** The one that this one follows in the same process. */
  readonly before?: Gateway;
}

export class Gateway {
  readonly site: Site;
  readonly #clock: GatewayClock;
  readonly #clockKeeper: ClockKeeper;
  readonly #log: Logger;
  readonly #table: SignalTable;
  readonly #threads: Threads;
  readonly #critical: CriticalRecords;
  readonly #handOff: HandOff;
  readonly #fastPath: FastPathSender;
  readonly #pipeline: Pipeline;
  readonly #sources: Sources;
  readonly #statusFeed: StatusFeed;
  /** What its sources need to know of it. */
  readonly #owner: SourceOwner;
  readonly #ending = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #boot: number;
  #isStarted = false;
  /** Samples dropped by the hand-off, at the last tick. */
  #droppedSeen = 0;

  /** Throws BusbarError PROFILE_INVALID for a profile that does not load (configuration checking finds it earlier). */
  constructor(site: Site, options: GatewayOptions) {
    const { before, clock, logs, sourceKeys } = options;
    const running = before === undefined ? undefined : before.#sources;
    this.site = site;
    this.#clock = clock;
    this.#boot = options.likelyBoot;
    this.#log = new Logger("daemon", (entry) => logs.take(entry));
    const found = site.sources.map((config, i) => findSource(config, sourceKeys[i] as string, running));
    const assets = [...found.flatMap(({ driver }) => driver.assets), gatewayAsset()];
    this.#table = buildSignalTable(site.gateway.id, SOFTWARE, assets);
    this.#owner = {
      number: signalNumbers(this.#table),
      emit: (batch) => this.#pipeline.take(batch),
      onEvent: (event) => this.#event(event),
    };
    this.#threads = new Threads({
      ...options,
      site,
      table: this.#table,
      onTaken: (handOffs) => this.#handOff.taken(handOffs),
      onStored: ({ outbox }) => this.#durable(outbox.durable_until, outbox.clock_jumps),
      onStorageReady: (boot, epoch) => this.#storageReady(boot, epoch),
      onStorageLost: () => this.#storageLost(),
      onStatusReady: () => this.#statusReady(),
      onWatched: (watched) => this.#statusFeed.watched(watched),
      onHost: (samples) => this.#hostSamples(samples),
    });
    this.#critical = new CriticalRecords({ clock, threads: this.#threads });
    this.#handOff = new HandOff({
      post: (message, transfer) => this.#threads.toStorage(message, transfer),
      clock,
      ...HAND_OFF,
    });
    this.#fastPath = before?.fastPathFor(site, this.#table) ?? this.#newFastPath();
    this.#pipeline = new Pipeline({
      table: this.#table,
      clock,
      send: (batch) => this.#fastPath.send(batch),
      store: (batch) => this.#handOff.add(batch),
    });
    this.#clockKeeper = new ClockKeeper({
      clock,
      log: this.#log.for("clock"),
      pipeline: this.#pipeline,
      handOff: this.#handOff,
      tellTime: (record) => this.#threads.toStorage({ type: "critical", kind: "time", synced: true, ...record }),
      tellStep: (event) => this.#critical.event(event),
      ...(before === undefined ? {} : { untold: before.#clockKeeper.untold }),
    });
    this.#sources = new Sources(
      found.map(({ key, driver, source }) => ({ key, source: source ?? this.#supervise(driver) })),
      running,
    );
    this.#statusFeed = new StatusFeed({
      latest: this.#pipeline.latest,
      sources: () => this.#sources.status(),
      fastPath: () => this.#fastPath.status(),
      tell: (message) => this.#threads.toStatus(message),
    });
  }

  /** Status and storage, then the sources; resolves when all of them were told to start. */
  async start(): Promise<void> {
    if (!(await this.#threads.start())) {
      this.#log.warn("storage is slow to open; polling starts without it");
      this.#fastPath.start(this.#boot, this.#clock.synced);
    }
    this.#log.info("running", { sources: this.#sources.count, signals: this.#table.signals.length });
    this.#beginField();
    if (!this.#clock.synced) watchClock(() => this.#clockKeeper.trust(), this.#log, this.#ending.signal);
    this.#sources.start();
    this.#isStarted = true;
  }

  /** In order: sources, hand-off, storage with its uplink, status. */
  async stop(): Promise<void> {
    this.#log.info("stopping");
    await this.#sources.stop();
    this.#endField();
    this.#fastPath.close();
    await this.#threads.stop(DRAIN_MS);
  }

  /**
   * Stops what `next` does not have and gives it the rest, which runs on meanwhile: what it reads waits in the hand-off of
   * `next` until that one's `start`. Nothing is drained: it stays in the outbox.
   */
  async handOver(next: Gateway): Promise<void> {
    await this.#sources.stop(next.#sources);
    // In one turn of the loop: what is handed over until now belongs to this boot, what follows to the next.
    this.#endField();
    next.#takeOver(this);
    if (next.#fastPath !== this.#fastPath) this.#fastPath.close();
    await this.#threads.stop(0);
  }

  /** Page and local broker answer, or are known not to. */
  get statusIsUp(): boolean {
    return this.#threads.statusIsUp;
  }

  /** Every source is opened or known to be bad. */
  get sourcesAreKnown(): boolean {
    return this.#isStarted && this.#sources.status().every(({ state }) => state !== "starting");
  }

  /** What it counts as now; until storage has told, what it most likely will. */
  get boot(): number {
    return this.#boot;
  }

  get vitals(): Vitals {
    return this.#threads.vitals;
  }

  statusParts(): StatusParts {
    const { uplink, outbox } = this.#threads.stored ?? {};
    return { sources: this.#sources.status(), uplink, outbox };
  }

  /** What the sources show of themselves, for `vitals`. */
  takePulses(): void {
    this.vitals.sources(this.#sources.pulses(), this.#clock.monoMs());
  }

  /** This one's, if it sends to the targets of `site` and by the same table: receivers then notice nothing. */
  fastPathFor(site: Site, table: SignalTable): FastPathSender | undefined {
    const isSame = JSON.stringify(site.fast_path) === JSON.stringify(this.site.fast_path);
    return isSame && tableJson(table.signals) === this.#fastPath.tableJson ? this.#fastPath : undefined;
  }

  get #latest(): LatestEnd {
    return { latest: this.#pipeline.latest, signals: this.#table.signals };
  }

  #newFastPath(): FastPathSender {
    return new FastPathSender({
      gateway: this.site.gateway.id,
      signals: this.#table.signals,
      targets: this.site.fast_path.to,
      clock: this.#clock,
      log: this.#log.for("fast-path"),
    });
  }

  #supervise(driver: Driver): SupervisedSource {
    for (const { asset, message } of driver.hazards) this.#log.warn(message, { asset });
    return new SupervisedSource({
      ...this.#owner,
      driver,
      clock: this.#clock,
      log: this.#log,
      wait: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined),
    });
  }

  #takeOver(before: Gateway): void {
    const given = before.#sources.giveTo(this.#sources, this.#owner);
    const assets = new Set([GATEWAY_ASSET, ...given.flatMap(({ driver }) => driver.assets.map(({ id }) => id))]);
    const now = { wallMs: this.#clock.wallUs() / 1000, monoMs: this.#clock.monoMs() };
    handLatest(before.#latest, this.#latest, { assets, now });
    this.#beginField();
  }

  #beginField(): void {
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  #endField(): void {
    clearInterval(this.#timer);
    this.#ending.abort();
    this.#handOff.finish(this.#pipeline.finish());
  }

  #tick(): void {
    this.#clockKeeper.tick();
    const { dropped } = this.#handOff;
    if (dropped !== this.#droppedSeen) this.#pipeline.storeLost();
    this.#droppedSeen = dropped;
    this.#handOff.flush(this.#pipeline.tick());
    this.#statusFeed.tick(TICK_MS);
  }

  #event(event: SourceEvent): void {
    this.#critical.event(event);
    this.#statusFeed.tellSources();
  }

  #durable(untilMs: number, era: number | undefined): void {
    this.#handOff.durable(untilMs, era);
    this.#clockKeeper.durable(era ?? 0);
  }

  #storageReady(boot: number, epoch: string): void {
    this.#boot = boot;
    this.#critical.storageReady(epoch);
    this.#fastPath.start(boot, this.#clock.synced);
    this.#clockKeeper.storageReady(boot);
  }

  #storageLost(): void {
    const samples = this.#handOff.lost();
    this.#log.error("what the storage thread had not committed is lost; a gap tells it", { samples });
  }

  #statusReady(): void {
    this.#threads.toStatus({ type: "signals", json: this.#fastPath.tableJson });
    this.#statusFeed.restart();
  }

  #hostSamples(samples: readonly { readonly signal: string; readonly value: number }[]): void {
    const batch: Batch = {
      tUs: this.#clock.wallUs(),
      numbers: samples.map(({ signal }) => this.#owner.number(GATEWAY_ASSET, signal)),
      values: samples.map(({ value }) => value),
      quality: samples.map(() => GOOD),
    };
    this.#pipeline.take(batch);
  }
}
