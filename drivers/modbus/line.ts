/** The one owner of a line: one request in flight, each device in its own rhythm, silence where the line needs it. */
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import type { Clock } from "../../core/clock.ts";
import { BusbarError, messageOf } from "../../core/errors.ts";
import type { DriverContext } from "../driver.ts";
import { ModbusClient, type ReadRequest, type ReadResult } from "./client.ts";
import { Device, type DevicePort, type DeviceSpec } from "./device.ts";
import { RtuReplyFinder, TcpReplyFinder } from "./frames.ts";
import type { Link, LinkEvents } from "./link.ts";
import type { RegisterSignal } from "./profile.ts";
import { Turns } from "./turns.ts";

export interface LineSpec {
  readonly label: string;
  readonly mbap: boolean;
  /** Silence between frames: 3.5 characters on a serial line. */
  readonly silentMs: number;
  /** Reopened when no device says anything any more: half-open connections look like that. */
  readonly reopensOnSilence: boolean;
  readonly devices: readonly DeviceSpec[];
  open(events: LinkEvents, signal: AbortSignal): Promise<Link>;
}

const SILENT_POLLS = 3;
/** After an error the line must have been quiet for this long; a USB adapter hands bytes over every 16 ms. */
const SETTLE_MS = 20;
const MAX_SETTLE_MS = 500;
/** Later than this after its time a timer tells of a process that did not run. */
const HELD_UP_MS = 5;
const COMPLAINT_INTERVAL_MS = 60_000;

/** Opens the line and polls its devices until the signal aborts; rejects when the line itself is lost. */
export async function runLine(spec: LineSpec, context: DriverContext, signal: AbortSignal): Promise<void> {
  const lost = new AbortController();
  const ended = AbortSignal.any([signal, lost.signal]);
  const finder = spec.mbap ? new TcpReplyFinder() : new RtuReplyFinder();
  let client: ModbusClient | undefined;
  const onLost = (error: BusbarError) => lost.abort(error);
  let link: Link | undefined;
  try {
    link = await spec.open({ onBytes: (bytes) => client?.receive(bytes), onLost }, ended);
    const settle = (): Promise<void> => line.settle();
    client = new ModbusClient(link, { finder, clock: context.clock, mbap: spec.mbap, signal: ended, settle });
    const line = new Line(spec, { link, client, context, signal: ended });
    await line.run();
  } catch (error) {
    if (signal.aborted) return;
    throw lost.signal.aborted ? lost.signal.reason : error;
  } finally {
    client?.close();
    await link?.close();
  }
}

class Line implements DevicePort {
  readonly #spec: LineSpec;
  readonly #link: Link;
  readonly #client: ModbusClient;
  readonly #context: DriverContext;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #devices: readonly Device[];
  #receivedBytes = 0;
  #complainedMs: number;
  #complained = { skippedPolls: 0, discardedBytes: 0 };

  constructor(
    spec: LineSpec,
    parts: { link: Link; client: ModbusClient; context: DriverContext; signal: AbortSignal },
  ) {
    this.#spec = spec;
    this.#link = parts.link;
    this.#client = parts.client;
    this.#context = parts.context;
    this.#clock = parts.context.clock;
    this.#signal = parts.signal;
    this.#complainedMs = this.#clock.monoMs();
    this.#devices = spec.devices.map((device) => new Device(device, this));
  }

  async run(): Promise<never> {
    // What an earlier owner of the line had asked may still be on its way.
    if (!this.#spec.mbap) await this.settle();
    const turns = new Turns(this.#devices);
    for (let device = turns.take(); device !== undefined; device = turns.take()) {
      let nowMs = this.#clock.monoMs();
      this.#complain(nowMs);
      if (device.dueMs > nowMs) {
        await this.#sleepUntil(device.dueMs);
        nowMs = this.#clock.monoMs();
      }
      const result = await device.poll(nowMs);
      turns.giveBack(device);
      if (result === "idle") continue;
      this.#context.report(device.spec.asset, result);
      if (result !== undefined) this.#checkAlive(result);
    }
    throw new BusbarError("INTERNAL", `${this.label}: no devices`);
  }

  get label(): string {
    return this.#spec.label;
  }

  nowMs(): number {
    return this.#clock.monoMs();
  }

  number(asset: string, signal: string): number {
    return this.#context.number(asset, signal);
  }

  emit(batch: Parameters<DriverContext["emit"]>[0]): void {
    this.#context.emit(batch);
  }

  refused(device: Device, signal: RegisterSignal, code: number): void {
    this.#context.log.warn(`${signal.name} is left out: the device refuses its register; it is tried again later`, {
      asset: device.spec.asset,
      register: signal.at,
      function: signal.fc,
      exception: code,
    });
  }

  read(device: Device, request: ReadRequest): Promise<ReadResult> {
    const gapMs = Math.max(this.#spec.silentMs, device.spec.profile.gapMs);
    return gapMs > 0 ? this.#readAfter(gapMs, request) : this.#client.read(request);
  }

  async #readAfter(gapMs: number, request: ReadRequest): Promise<ReadResult> {
    const freeAtMs = this.#client.lastByteMs + gapMs;
    if (freeAtMs > this.#clock.monoMs()) await this.#sleepUntil(freeAtMs);
    return this.#client.read(request);
  }

  /** Wait until nothing comes any more, forget what came, empty what the system holds: only then is the line used again. */
  async settle(): Promise<void> {
    const quietMs = Math.max(this.#spec.silentMs, SETTLE_MS);
    const startMs = this.#clock.monoMs();
    let untilMs = startMs + quietMs;
    while (this.#clock.monoMs() < untilMs) {
      await this.#sleepUntil(untilMs);
      // What has come meanwhile is read first. Silence that nobody listened to, for the process was held up, is none.
      await turn();
      const nowMs = this.#clock.monoMs();
      const heardMs = nowMs - untilMs > HELD_UP_MS ? nowMs : this.#client.lastByteMs;
      untilMs = Math.min(heardMs + quietMs, startMs + MAX_SETTLE_MS);
    }
    await this.#link.flush();
    this.#client.clear();
  }

  /** A timer may fire early by most of a millisecond: silence is measured, not assumed. */
  async #sleepUntil(untilMs: number): Promise<void> {
    for (let waitMs = untilMs - this.#clock.monoMs(); waitMs > 0; waitMs = untilMs - this.#clock.monoMs()) {
      await sleep(Math.ceil(waitMs), undefined, { signal: this.#signal });
    }
    this.#signal.throwIfAborted();
  }

  #checkAlive(cause: BusbarError): void {
    if (!this.#spec.reopensOnSilence) return;
    if (this.#client.receivedBytes !== this.#receivedBytes) {
      // Late, or nonsense, but the connection carries it.
      this.#receivedBytes = this.#client.receivedBytes;
      for (const device of this.#devices) device.silentPolls = 0;
    }
    if (this.#devices.some((device) => device.silentPolls < SILENT_POLLS)) return;
    const what = `${this.label}: connected, but no unit answered ${SILENT_POLLS} polls`;
    const remedy = `the connection is opened anew (${messageOf(cause)})`;
    throw new BusbarError("BUS_UNREACHABLE", what, { remedy, cause });
  }

  /** Drops are counted, and said at most once a minute. */
  #complain(nowMs: number): void {
    if (nowMs - this.#complainedMs < COMPLAINT_INTERVAL_MS) return;
    this.#complainedMs = nowMs;
    const skippedPolls = this.#devices.reduce((sum, device) => sum + device.schedule.skippedPolls, 0);
    const discardedBytes = this.#client.discardedBytes;
    const skipped = skippedPolls - this.#complained.skippedPolls;
    const discarded = discardedBytes - this.#complained.discardedBytes;
    this.#complained = { skippedPolls, discardedBytes };
    if (skipped > 0) {
      this.#context.log.warn("the line is too slow for its polls; raise poll_interval or the baud rate", { skipped });
    }
    if (discarded > 0) {
      this.#context.log.warn("bytes came that belong to no request; check wiring and timeouts", { discarded });
    }
  }
}
