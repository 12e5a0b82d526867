/**
 * The gateway as a service: one after the other in one process. SIGHUP reads the file anew; a good one makes a new
 * gateway that takes over what goes on unchanged, a bad one is told and changes nothing. The service manager is told what
 * happens, and its watchdog is fed while there is progress.
 */
import { performance } from "node:perf_hooks";
import { messageOf } from "../../core/errors.ts";
import type { GatewayClock } from "../../core/gateway-clock.ts";
import { Logger } from "../../core/log.ts";
import { Gateway } from "../gateway.ts";
import { LogRoute } from "../log-route.ts";
import { LogWriter } from "../status/log-writer.ts";
import type { LogFormat } from "../threads.ts";
import { type Notifier, openNotifier, watchdogMs } from "./notify.ts";
import { type ReadConfig, readConfigAside } from "./read-config.ts";
import { refusals } from "./refusals.ts";
import { statusLine } from "./status-line.ts";
import { Watchdog } from "./watchdog.ts";

const LOOK_MS = 500;
/** Start-up is never held up by a source that takes its time, such as a quiet bus. */
const SOURCES_AT_LATEST_MS = 20_000;
/** Nor by a page that does not come. Before `TimeoutStartSec=` ends. */
const READY_AT_LATEST_MS = 60_000;
/** `STATUS=` wakes systemd and everybody who listens to it. */
const STATUS_MS = 10_000;

/** A status thread that is silent for so long does not write log lines any more. */
const STATUS_SILENT_MS = 10_000;

type GoodConfig = Extract<ReadConfig, { ok: true }>;

export interface ServiceOptions {
  readonly configFile: string;
  readonly logFormat: LogFormat;
  readonly clock: GatewayClock;
  readonly likelyBoot: number;
}

export class Service {
  readonly #o: ServiceOptions;
  readonly #logs: LogRoute;
  readonly #log: Logger;
  readonly #notifier: Notifier;
  readonly #watchdog: Watchdog;
  #gateway: Gateway;
  /** Resolved by the next SIGHUP. */
  #asked = Promise.withResolvers<void>();
  #phase: "starting" | "running" | "stopping" = "starting";
  #startedMs = performance.now();
  /** Why the last reload was refused. */
  #refused: string | undefined;
  #statusText = "";
  #statusMs = 0;

  /** Throws what Gateway's constructor throws. */
  constructor(config: GoodConfig, options: ServiceOptions) {
    const writer = new LogWriter({ format: options.logFormat });
    this.#o = options;
    this.#logs = new LogRoute({
      write: (entry) => writer.write(entry),
      monoMs: () => performance.now(),
      // Before the watchdog finds it.
      silentMs: Math.min(STATUS_SILENT_MS, watchdogMs()),
    });
    this.#log = new Logger("service", (entry) => this.#logs.take(entry));
    this.#notifier = openNotifier(this.#log);
    this.#watchdog = new Watchdog({ notifier: this.#notifier, log: this.#log });
    this.#gateway = this.#build(config);
  }

  /** SIGHUP. */
  reload(): void {
    this.#asked.resolve();
  }

  /** Runs until `stop` aborts, then stops in order. */
  async run(stop: AbortSignal): Promise<void> {
    const stopped = new Promise<void>((resolve) => {
      if (stop.aborted) resolve();
      stop.addEventListener("abort", () => resolve(), { once: true });
    });
    const timer = setInterval(() => this.#look(), LOOK_MS);
    this.#notifier.status("starting");
    await this.#gateway.start();
    while (!stop.aborted) {
      await Promise.race([stopped, this.#asked.promise]);
      if (stop.aborted) break;
      this.#asked = Promise.withResolvers();
      await this.#reload();
    }
    this.#phase = "stopping";
    this.#notifier.stopping("stopping");
    await this.#gateway.stop();
    clearInterval(timer);
    this.#logs.flush();
  }

  async #reload(): Promise<void> {
    const startMs = performance.now();
    this.#notifier.reloading("reading the configuration");
    const read = await readConfigAside(this.#o.configFile);
    const errors = read.ok ? refusals(this.#gateway.site, read.site) : read.errors;
    if (!read.ok || errors.length > 0) return this.#refuse(errors);
    const before = this.#gateway;
    const next = this.#tryBuild(read, before);
    if (next instanceof Error) return this.#refuse([next.message]);
    await before.handOver(next);
    this.#gateway = next;
    await next.start();
    this.#refused = undefined;
    this.#log.info("configuration reloaded", { took_ms: Math.round(performance.now() - startMs) });
    this.#becomeReady();
  }

  #refuse(errors: readonly string[]): void {
    for (const error of errors) this.#log.error(error);
    this.#log.error("configuration refused; the gateway runs on with the old one", { file: this.#o.configFile });
    const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
    this.#refused = `configuration refused, running on with the old one: ${errors[0]}${more}`;
    this.#becomeReady();
  }

  #build({ site, sourceKeys }: GoodConfig, before?: Gateway): Gateway {
    const { configFile, logFormat, clock } = this.#o;
    const likelyBoot = before === undefined ? this.#o.likelyBoot : before.boot + 1;
    const options = { configFile, logFormat, clock, logs: this.#logs, sourceKeys, likelyBoot };
    return new Gateway(site, before === undefined ? options : { ...options, before });
  }

  /** The file may have changed since it was checked. */
  #tryBuild(config: GoodConfig, before: Gateway): Gateway | Error {
    try {
      return this.#build(config, before);
    } catch (error) {
      return new Error(messageOf(error), { cause: error });
    }
  }

  #look(): void {
    const nowMs = performance.now();
    this.#gateway.takePulses();
    this.#logs.look();
    const starving = this.#watchdog.check(this.#gateway.vitals, nowMs);
    if (this.#phase === "starting" && this.#isReady(nowMs - this.#startedMs)) this.#becomeReady();
    if (this.#phase !== "running" || nowMs - this.#statusMs < STATUS_MS) return;
    const text = this.#text(starving);
    if (text !== this.#statusText) this.#notifier.status(text);
    this.#statusText = text;
    this.#statusMs = nowMs;
  }

  #isReady(startingMs: number): boolean {
    const { statusIsUp, sourcesAreKnown } = this.#gateway;
    if (startingMs > READY_AT_LATEST_MS) return true;
    return statusIsUp && (sourcesAreKnown || startingMs > SOURCES_AT_LATEST_MS);
  }

  #becomeReady(): void {
    this.#phase = "running";
    this.#statusText = this.#text([]);
    this.#statusMs = performance.now();
    this.#notifier.ready(this.#statusText);
  }

  #text(starving: readonly string[]): string {
    const line = statusLine(this.#gateway.statusParts());
    return [...starving, ...(this.#refused === undefined ? [] : [this.#refused]), line].join("; ");
  }
}
