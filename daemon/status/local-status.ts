/** Everything that the status thread does, wired: model in, broker, page and log out. */
import { performance } from "node:perf_hooks";
import { setTimeout as delay, setInterval as ticks } from "node:timers/promises";
import { isAbort, messageOf } from "../../core/errors.ts";
import { type LogEntry, Logger } from "../../core/log.ts";
import { HostHealth, hostSamples, hostStatus } from "./host.ts";
import { StatusPage } from "./http.ts";
import { LocalBroker } from "./local-broker.ts";
import { LogWriter, logJson } from "./log-writer.ts";
import type { FromStatus, Snapshot, StatusInit, ToStatus } from "./protocol.ts";
import { Rate } from "./rate.ts";
import { answer } from "./requests.ts";
import { StatusModel } from "./snapshot.ts";
import { LocalTopics, OFFLINE, STATE_TOPIC } from "./topics.ts";

/** Values go out at most this often, while somebody looks; everything else every fourth time. */
const TICK_MS = 250;
const SLOW_TICKS = 4;
/** Status shows each reading of the host; a record of its own, six times a minute, is more than the cloud wants to know. */
const HOST_SAMPLE_ROUNDS = 6;
/** Who asks for a snapshot will ask again: a page, a person. */
const LOOK_MS = 10_000;
const LOGS_PER_SECOND = 20;
const REQUESTS_PER_SECOND = 20;
/** A part of this thread that failed by our own mistake starts again after this. */
const RESTART_MS = 10_000;
/** How often requests that were dropped are told in the log, in slow ticks. */
const DROP_NEWS_TICKS = 10;

export interface LocalStatusOptions {
  readonly post: (message: FromStatus) => void;
  /** How long a closed port waits for its next attempt. */
  readonly retryMs?: number;
  readonly tickMs?: number;
}

export class LocalStatus {
  readonly #init: StatusInit;
  readonly #post: (message: FromStatus) => void;
  readonly #model: StatusModel;
  readonly #writer: LogWriter;
  readonly #log: Logger;
  readonly #broker: LocalBroker;
  readonly #page: StatusPage;
  readonly #topics: LocalTopics;
  readonly #tickMs: number;
  #fieldTold = false;
  #watched = false;
  #valueTicks: NodeJS.Timeout | undefined;
  #lookedMs = Number.NEGATIVE_INFINITY;
  readonly #logRate = new Rate(LOGS_PER_SECOND);
  readonly #requestRate = new Rate(REQUESTS_PER_SECOND);

  constructor(init: StatusInit, options: LocalStatusOptions) {
    const retry = options.retryMs === undefined ? {} : { retryMs: options.retryMs };
    this.#init = init;
    this.#post = options.post;
    this.#tickMs = options.tickMs ?? TICK_MS;
    this.#model = new StatusModel(init);
    this.#writer = new LogWriter({ format: init.logFormat });
    this.#log = new Logger("status", (entry) => this.#takeLog(entry));
    this.#broker = new LocalBroker({
      config: init.local.mqtt,
      log: this.#log,
      onRequest: (op, payload) => this.#request(op, payload),
      onArrival: () => this.#tellAll(),
      ...retry,
    });
    this.#page = new StatusPage({ config: init.local.http, snapshot: () => this.#shown(), ...retry });
    this.#topics = new LocalTopics((topic, payload, retain) => this.#broker.publish(topic, payload, retain));
  }

  get log(): Logger {
    return this.#log;
  }

  snapshot(): Snapshot {
    const problems = [this.#broker.listener.problem, this.#page.listener.problem];
    return this.#model.snapshot(
      { wallMs: Date.now(), monoMs: performance.now() },
      problems.filter((problem) => problem !== undefined),
    );
  }

  /** The snapshot for somebody who looks at it. */
  #shown(): Snapshot {
    this.#lookedMs = performance.now();
    this.#tellWatched();
    return this.snapshot();
  }

  #tellWatched(): void {
    const watched = this.#broker.watched || performance.now() - this.#lookedMs < LOOK_MS;
    if (watched === this.#watched) return;
    this.#watched = watched;
    this.#post({ type: "watched", watched });
    clearInterval(this.#valueTicks);
    const tell = (): Promise<boolean> => this.#guarded("topics", async () => this.#tellValues());
    if (watched) this.#valueTicks = setInterval(tell, this.#tickMs);
  }

  #tellValues(): void {
    // Nobody reads it: what has changed since is told to whoever comes.
    if (this.#broker.watched) this.#topics.fast(this.#model);
  }

  /** A message of the field or the storage thread; `stop` is the caller's to handle. */
  receive(message: ToStatus): void {
    switch (message.type) {
      case "values":
        this.#model.takeValues(message);
        break;
      case "sources":
        this.#model.takeSources(message.sources, message.fastPath);
        this.#model.fieldSpoke(performance.now());
        break;
      case "store":
        this.#model.takeStore(message, performance.now());
        break;
      case "event":
        this.#topics.event(message.event);
        break;
      case "log":
        this.#takeLog(message.entry);
        break;
      case "signals":
        this.#topics.signals(message.json);
        break;
    }
  }

  /** Opens what can be opened, says `ready`, serves until `signal` aborts, says goodbye. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#guarded("local broker", () => this.#broker.start()),
      this.#guarded("status page", () => this.#page.start()),
    ]);
    this.#ready();
    // Not waited for at the end: a read of the host's sensors cannot be interrupted.
    void this.#keep("host health", signal, () => this.#watchHost(signal));
    await Promise.all([
      this.#keep("local broker", signal, () => this.#keepTrying("local broker", this.#broker.listener, signal)),
      this.#keep("status page", signal, () => this.#keepTrying("status page", this.#page.listener, signal)),
      this.#keep("topics", signal, () => this.#tick(signal)),
    ]);
    this.#page.stop();
    await this.#guarded("local broker", () => this.#broker.stop(STATE_TOPIC, OFFLINE));
    clearInterval(this.#valueTicks);
    this.#writer.flush();
  }

  #ready(): void {
    const problems = this.snapshot().problems;
    const mqttPort = this.#broker.listener.port;
    const httpPort = this.#page.listener.port;
    this.#post({
      type: "ready",
      problems,
      ...(mqttPort === undefined ? {} : { mqttPort }),
      ...(httpPort === undefined ? {} : { httpPort }),
    });
    // `ready` begins anew: whoever came before it is told again.
    this.#watched = false;
    this.#tellWatched();
  }

  async #keepTrying(name: string, listener: LocalBroker["listener"], signal: AbortSignal): Promise<void> {
    if (listener.port !== undefined) return;
    await listener.keepTrying(signal);
    this.#log.info(`${name} is open now`, { port: listener.port });
  }

  async #watchHost(signal: AbortSignal): Promise<void> {
    let rounds = 0;
    const health = new HostHealth(this.#init.storePath, (reading) => {
      this.#model.takeHost(hostStatus(reading));
      if (rounds % HOST_SAMPLE_ROUNDS === 0) this.#post({ type: "host", samples: hostSamples(reading) });
      rounds++;
    });
    await health.run(signal);
  }

  async #tick(signal: AbortSignal): Promise<void> {
    let count = 0;
    this.#topics.slow(this.snapshot());
    for await (const _ of ticks(this.#tickMs * SLOW_TICKS, undefined, { signal })) {
      count++;
      this.#slow();
      if (count % DROP_NEWS_TICKS === 0) this.#tellDrops();
    }
  }

  #slow(): void {
    this.#post({ type: "turned" });
    this.#tellWatched();
    this.#tellField();
    if (this.#broker.watched) this.#topics.slow(this.snapshot());
  }

  #tellAll(): void {
    this.#lookedMs = performance.now();
    this.#tellWatched();
    this.#topics.fast(this.#model);
    this.#topics.slow(this.snapshot());
  }

  /** Once each time: the thread that hangs cannot say it. */
  #tellField(): void {
    const silentMs = this.#model.fieldSilentMs(performance.now());
    if (silentMs !== undefined && !this.#fieldTold)
      this.#log.error(
        `the field thread hangs: silent for ${Math.round(silentMs / 1000)} s; under systemd its watchdog acts`,
      );
    this.#fieldTold = silentMs !== undefined;
  }

  #tellDrops(): void {
    const requests = this.#requestRate.takeDropped();
    if (requests > 0)
      this.#log.warn(`${requests} requests on the local broker dropped: more than ${REQUESTS_PER_SECOND} a second`);
    const unknown = this.#model.takeUnknown();
    if (unknown > 0) this.#log.error(`${unknown} values of undeclared signals dropped`);
  }

  #request(op: string, payload: Buffer): void {
    if (!this.#requestRate.allow(performance.now())) return;
    this.#topics.response(op, answer(op, payload, { snapshot: () => this.#shown() }));
  }

  #takeLog(entry: LogEntry): void {
    this.#writer.write(entry);
    if (!this.#logRate.allow(performance.now())) return;
    const dropped = this.#logRate.takeDropped();
    const fields = dropped === 0 ? entry.fields : { ...entry.fields, dropped_before: dropped };
    this.#topics.logging(logJson({ ...entry, fields }));
  }

  /** One part that fails is told and takes no other part down. True when it ended as it should. */
  async #guarded(part: string, work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (isAbort(error)) return true;
      this.#log.error(`${part} failed: ${messageOf(error)}`, { stack: error instanceof Error ? error.stack : "" });
      return false;
    }
  }

  /** Starts a part that failed again, until it ends or `signal` aborts. */
  async #keep(part: string, signal: AbortSignal, work: () => Promise<unknown>): Promise<void> {
    while (!signal.aborted && !(await this.#guarded(part, work)))
      await delay(RESTART_MS, undefined, { signal }).catch(() => undefined);
  }
}
