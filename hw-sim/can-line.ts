/** A simulated CAN bus with its vehicles: frames at their cycle, each in the ledger once somebody got it. */
import { performance } from "node:perf_hooks";
import { type FrameKind, frameKinds, type VanFrame } from "./devices/busbar-sim-van.ts";
import { combined, describeFault, type Fault, noFault, setFault } from "./faults.ts";
import type { Ledger } from "./ledger.ts";
import type { Van } from "./models/van.ts";
import type { Random } from "./random.ts";
import { type CommandOptions, type Target, turn, type Verb } from "./target.ts";
import { type CandumpBus, candumpLine } from "./wire/candump-bus.ts";

/** Frames of different kinds do not start in the same instant. */
const SPREAD_MS = 7;
/** After a longer standstill frames go on from now: a bus repeats nothing. */
const MAX_BEHIND_MS = 1000;

interface Schedule {
  readonly vehicle: VehicleTarget;
  readonly kind: FrameKind;
  nextMs: number;
}

export interface CanLineOptions {
  readonly id: string;
  readonly bus: CandumpBus;
  readonly vehicles: readonly { readonly asset: string; readonly van: Van }[];
  readonly ledger: Ledger;
  readonly random: Random;
  readonly advance: () => void;
}

export class CanLine implements Target, AsyncDisposable {
  readonly id: string;
  readonly verbs = ["cut", "restore", "garble", "truncate"] as const;
  readonly vehicles: readonly VehicleTarget[];
  readonly counters = { frames: 0, spoilt: 0, unheard: 0, silenced: 0 };
  readonly #options: CanLineOptions;
  readonly #fault: Fault = noFault();
  readonly #stamp = new Stamp();
  #schedule: Schedule[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: CanLineOptions) {
    this.id = options.id;
    this.#options = options;
    this.vehicles = options.vehicles.map(({ asset, van }) => new VehicleTarget(asset, van));
  }

  get faults(): string[] {
    return describeFault(this.#fault);
  }

  async open(): Promise<void> {
    await this.#options.bus.open();
    const now = performance.now();
    this.#schedule = this.vehicles.flatMap((vehicle) => {
      return frameKinds.map((kind, i) => ({ vehicle, kind, nextMs: now + i * SPREAD_MS }));
    });
    this.#tick();
  }

  async apply(verb: Verb, options: CommandOptions): Promise<void> {
    setFault(this.#fault, verb, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    await this.#options.bus[Symbol.asyncDispose]();
  }

  #tick(): void {
    const now = performance.now();
    const due = this.#schedule.filter(({ nextMs }) => nextMs <= now);
    if (due.length > 0) this.#options.advance();
    for (const entry of due) {
      this.#send(entry.vehicle, entry.kind);
      entry.nextMs += entry.kind.cycleMs;
      if (now - entry.nextMs > MAX_BEHIND_MS) entry.nextMs = now + entry.kind.cycleMs;
    }
    const next = Math.min(...this.#schedule.map(({ nextMs }) => nextMs));
    this.#timer = setTimeout(() => this.#tick(), Math.max(1, next - performance.now()));
  }

  #send(vehicle: VehicleTarget, kind: FrameKind): void {
    const fault = combined(this.#fault, vehicle.fault);
    if (fault.silent) {
      this.counters.silenced++;
      return;
    }
    if (this.#options.bus.clients === 0) {
      this.counters.unheard++;
      return;
    }
    const frame = vehicle.frame(kind);
    const stampUs = this.#stamp.nextUs();
    if (this.#options.bus.send(this.#line(frame, stampUs, fault)) === 0) {
      this.counters.unheard++;
      return;
    }
    const spoilt = fault.garbled || fault.truncated;
    this.counters.frames++;
    if (spoilt) this.counters.spoilt++;
    const ts = Math.floor(stampUs / 1000);
    this.#options.ledger.add({ ts, asset: vehicle.id, signals: frame.signals, spoilt });
  }

  #line(frame: VanFrame, stampUs: number, fault: Fault): string {
    if (fault.truncated) return candumpLine(stampUs, frame.id, frame.data.subarray(0, 1));
    const line = candumpLine(stampUs, frame.id, frame.data);
    if (!fault.garbled) return line;
    if (frame.sealed) {
      const data = frame.data.slice();
      data[7] = (data[7] as number) ^ (1 + Math.floor(this.#options.random.next() * 255));
      return candumpLine(stampUs, frame.id, data);
    }
    // A real bus throws such frames away by its own checksum: what comes through is noise, not a wrong value.
    return `${line.slice(0, 20).replace(")", "#")}\u0000${line.slice(22, -4)}\n`;
  }
}

/** A vehicle on the bus, as commands see it. */
export class VehicleTarget implements Target {
  readonly id: string;
  readonly van: Van;
  readonly fault: Fault = noFault();
  readonly verbs = ["cut", "restore", "garble", "truncate", "freeze", "plug", "unplug"] as const;
  #frozen: Map<FrameKind, VanFrame> | undefined;

  constructor(id: string, van: Van) {
    this.id = id;
    this.van = van;
  }

  get faults(): string[] {
    return [...describeFault(this.fault), ...(this.#frozen === undefined ? [] : ["frozen"])];
  }

  frame(kind: FrameKind): VanFrame {
    return this.#frozen?.get(kind) ?? kind.build(this.van);
  }

  async apply(verb: Verb, options: CommandOptions): Promise<void> {
    if (verb === "freeze") this.#frozen = new Map(frameKinds.map((kind) => [kind, kind.build(this.van)]));
    if (verb === "restore") this.#frozen = undefined;
    if (verb === "plug" || verb === "unplug") turn(this.id, this.van, verb);
    setFault(this.fault, verb, options);
  }
}

/** The system's time in microseconds, each later than the one before; Date.now() alone counts whole milliseconds. */
class Stamp {
  #offsetMs = Date.now() - performance.now();
  #lastUs = 0;

  nextUs(): number {
    const mono = performance.now();
    const ahead = mono + this.#offsetMs - Date.now();
    if (ahead < -1 || ahead > 1) this.#offsetMs = Date.now() - mono;
    const us = Math.floor((mono + this.#offsetMs) * 1000);
    // A system clock that was set back is followed; only ties are broken.
    this.#lastUs = us === this.#lastUs ? us + 1 : us;
    return this.#lastUs;
  }
}
