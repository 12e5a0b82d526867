import { backoff } from "../core/backoff.ts";
import type { Clock } from "../core/clock.ts";
import { BusbarError, isAbort, isRetryable, messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { Batch } from "../core/sample.ts";
import { Since } from "../core/since.ts";
import type { Driver, DriverContext } from "../drivers/driver.ts";
import type { Pulse } from "./service/vitals.ts";
import { SourceLosses, type ToldLoss } from "./source-losses.ts";
import type { SourceStatus } from "./status/protocol.ts";

/** A source that ran this long starts its backoff anew. */
const HELD_MS = 10_000;
const RETRY = { firstMs: 250, maxMs: 5000 };
/** Our own mistake in a driver is retried too, but never in a hurry. */
const INTERNAL_RETRY_MS = 5000;

interface StateEvent {
  readonly type: "source-down" | "source-up" | "device-down" | "device-up";
  readonly severity: "warning" | "info";
  readonly source: string;
  readonly asset?: string;
  readonly text: string;
}

/** At most one a minute and source. */
export interface LossEvent {
  readonly type: "frames-lost";
  readonly severity: "error";
  readonly source: string;
  /** Since the event before. */
  readonly frames: number;
  /** They were on the bus between these, milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

export type SourceEvent = StateEvent | LossEvent;

/** Where a source's batches and events go, and how its signals are numbered there. */
export interface SourceOwner {
  readonly number: DriverContext["number"];
  readonly emit: (batch: Batch) => void;
  readonly onEvent: (event: SourceEvent) => void;
}

export interface SupervisedSourceOptions extends SourceOwner {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly log: Logger;
  /** Waits, or ends early when the signal aborts. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Runs one driver for ever: restarts it with backoff, keeps its status, tells what changed. Never ends the process. */
export class SupervisedSource {
  readonly #driver: Driver;
  readonly #options: SupervisedSourceOptions;
  readonly #log: Logger;
  /** undefined: no attempt yet. */
  readonly #devices = new Map<string, { ok: boolean | undefined; error?: string }>();
  /** How long it may have nothing to do: the shortest time after which one of its values would be stale. */
  readonly #restMs: number;
  #owner: SourceOwner;
  /** From the numbers that the driver was given to the present owner's; undefined: they are the same. */
  #renumber: ReadonlyMap<number, number> | undefined;
  #reports = 0;
  #state: SourceStatus["state"] = "starting";
  readonly #since: Since;
  #error: string | undefined;
  readonly #losses: SourceLosses;
  #restarts = 0;
  #batches = 0;

  constructor(options: SupervisedSourceOptions) {
    this.#options = options;
    this.#driver = options.driver;
    this.#log = options.log.for(options.driver.id);
    this.#since = new Since(options.clock);
    this.#losses = new SourceLosses({ ...options, tell: (loss) => this.#tellLoss(loss) });
    for (const asset of options.driver.assets) this.#devices.set(asset.id, { ok: undefined });
    const maxAges = options.driver.assets.flatMap(({ signals }) => signals.map(({ maxAgeMs }) => maxAgeMs));
    this.#restMs = maxAges.length === 0 ? 0 : Math.min(...maxAges);
    this.#owner = options;
  }

  get driver(): Driver {
    return this.#driver;
  }

  /** From now on it belongs to another gateway, whose signal table has all of its signals; it runs on meanwhile. */
  giveTo(owner: SourceOwner): void {
    const renumber = new Map<number, number>();
    for (const { id, signals } of this.#driver.assets) {
      for (const { name } of signals) renumber.set(this.#options.number(id, name), owner.number(id, name));
    }
    this.#renumber = [...renumber].every(([from, to]) => from === to) ? undefined : renumber;
    this.#owner = owner;
  }

  /** What the watchdog wants to know. */
  pulse(): Pulse {
    const devices = [...this.#devices.values()];
    return {
      id: this.#driver.id,
      moves: this.#batches + this.#reports + this.#restarts,
      knownBad: this.#state === "down" || devices.every(({ ok }) => ok === false),
      restMs: this.#restMs,
    };
  }

  /** Resolves when `signal` aborts and the driver has let go of its bus. */
  async run(signal: AbortSignal): Promise<void> {
    const context = this.#context(signal);
    let delays = backoff(RETRY);
    while (!signal.aborted) {
      const startedMs = this.#options.clock.monoMs();
      const failure = await this.#runOnce(context, signal);
      if (signal.aborted) return;
      this.#fail(failure);
      if (this.#options.clock.monoMs() - startedMs > HELD_MS) delays = backoff(RETRY);
      const delayMs = isRetryable(failure) ? delays.next().value : INTERNAL_RETRY_MS;
      await this.#options.wait(delayMs, signal);
      this.#restarts++;
    }
  }

  status(): SourceStatus {
    const devices = [...this.#devices].map(([asset, device]) => ({
      asset,
      ok: device.ok === true,
      ...(device.error === undefined ? {} : { error: device.error }),
    }));
    return {
      id: this.#driver.id,
      label: this.#driver.label,
      state: this.#state,
      since: this.#since.ms,
      restarts: this.#restarts,
      batches: this.#batches,
      lost: this.#losses.frames,
      ...(this.#error === undefined ? {} : { error: this.#error }),
      devices,
    };
  }

  async #runOnce(context: DriverContext, signal: AbortSignal): Promise<unknown> {
    try {
      await this.#driver.run(context, signal);
      return new BusbarError("BUS_CLOSED", `${this.#driver.label}: ended by itself`);
    } catch (error) {
      return isAbort(error) && !signal.aborted ? new BusbarError("INTERNAL", messageOf(error)) : error;
    }
  }

  #context(signal: AbortSignal): DriverContext {
    const { clock, number } = this.#options;
    return {
      clock,
      log: this.#log,
      number,
      emit: (batch) => {
        this.#batches++;
        this.#owner.emit(this.#renumber === undefined ? batch : renumbered(batch, this.#renumber));
      },
      report: (asset, error) => {
        this.#reports++;
        this.#report(asset, error);
      },
      lost: (loss) => this.#losses.take(loss, signal),
    };
  }

  #report(asset: string, error: BusbarError | undefined): void {
    const device = this.#devices.get(asset);
    if (device === undefined) return;
    const was = device.ok;
    if (error === undefined) {
      if (was === true) return;
      this.#devices.set(asset, { ok: true });
      if (was === false) this.#tell("device-up", asset, `${asset} answers again`);
    } else {
      this.#devices.set(asset, { ok: false, error: error.message });
      if (was !== false) this.#tell("device-down", asset, error.message);
    }
    this.#settle();
  }

  /** The source's state follows from its devices while the driver runs. */
  #settle(): void {
    const devices = [...this.#devices.values()];
    const down = devices.filter((device) => device.ok === false).length;
    const state = down === 0 ? "up" : "degraded";
    const recovered = this.#state === "down";
    this.#become(state);
    if (!recovered) return;
    this.#error = undefined;
    this.#tell("source-up", undefined, `${this.#driver.label} is back`);
  }

  #fail(failure: unknown): void {
    const message = messageOf(failure);
    const told = this.#state === "down" && this.#error === message;
    this.#error = message;
    for (const asset of this.#devices.keys()) this.#devices.set(asset, { ok: false, error: message });
    this.#become("down");
    if (!told) this.#tell("source-down", undefined, message);
    if (!isRetryable(failure)) this.#log.error("driver failed", { error: failure });
  }

  #become(state: SourceStatus["state"]): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#since.restart();
  }

  #tellLoss({ frames, t0: from, t1: to, why }: ToldLoss): void {
    const source = this.#driver.id;
    const text = `${this.#driver.label}: ${frames} ${frames === 1 ? "frame" : "frames"} lost: ${why}`;
    this.#log.error(text, { since_start: this.#losses.frames });
    this.#owner.onEvent({ type: "frames-lost", severity: "error", source, frames, from, to, text });
  }

  #tell(type: StateEvent["type"], asset: string | undefined, text: string): void {
    const down = type === "source-down" || type === "device-down";
    if (down) this.#log.warn(text);
    else this.#log.info(text);
    const severity = down ? "warning" : "info";
    const source = this.#driver.id;
    this.#owner.onEvent({ type, severity, source, ...(asset === undefined ? {} : { asset }), text });
  }
}

function renumbered({ tUs, numbers, values, quality }: Batch, to: ReadonlyMap<number, number>): Batch {
  return { tUs, numbers: numbers.map((n) => to.get(n) ?? n), values, quality };
}
