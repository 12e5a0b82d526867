/** One Modbus line: requests in, replies out, each reply in the ledger, and what commands do to both. */
import type { Signals } from "./devices/device.ts";
import { combined, describeFault, type Fault, noFault, setFault, spoils } from "./faults.ts";
import type { Ledger } from "./ledger.ts";
import type { Random } from "./random.ts";
import type { CommandOptions, Target, Verb } from "./target.ts";
import { type LineUnit, UnitTarget } from "./unit-target.ts";
import type { Framing, Request } from "./wire/framing.ts";
import { answer } from "./wire/pdu.ts";
import type { Channel, Output, Port } from "./wire/port.ts";

export interface ModbusLineOptions {
  readonly id: string;
  readonly framing: Framing;
  /** A cut closes connections and refuses new ones; on a serial line it is silence. */
  readonly cutCloses: boolean;
  readonly units: readonly LineUnit[];
  readonly ledger: Ledger;
  readonly random: Random;
  /** Brings all values up to now. */
  readonly advance: () => void;
}

export interface LineCounters {
  requests: number;
  replies: number;
  spoilt: number;
  exceptions: number;
  /** Requests without a reply, by command. */
  silenced: number;
  /** Requests to units that are not on the line. */
  unknownUnit: number;
  /** Bytes that belonged to no request. */
  discardedBytes: number;
  /** Replies whose client was gone. */
  undelivered: number;
}

export class ModbusLine implements Target, AsyncDisposable {
  readonly id: string;
  readonly verbs = ["cut", "restore", "garble", "truncate", "late", "plug", "unplug"] as const;
  readonly units: readonly UnitTarget[];
  readonly counters: LineCounters = {
    requests: 0,
    replies: 0,
    spoilt: 0,
    exceptions: 0,
    silenced: 0,
    unknownUnit: 0,
    discardedBytes: 0,
    undelivered: 0,
  };
  readonly #options: ModbusLineOptions;
  readonly #byUnit: ReadonlyMap<number, UnitTarget>;
  readonly #late = new Set<NodeJS.Timeout>();
  #fault: Fault = noFault();
  #pulled = false;
  #port: Port | undefined;
  #changing: Promise<void> = Promise.resolve();

  constructor(options: ModbusLineOptions) {
    this.id = options.id;
    this.#options = options;
    this.units = options.units.map((unit) => new UnitTarget(unit, () => this.follow()));
    this.#byUnit = new Map(this.units.map((target) => [target.unit, target]));
  }

  get faults(): string[] {
    return [...describeFault(this.#fault), ...(this.#pulled ? ["unplugged"] : [])];
  }

  /** Serves the line at this port from now on. */
  async open(port: Port): Promise<void> {
    this.#port = port;
    await port.open();
  }

  /** The line's side of a new connection. */
  attach(output: Output): Channel {
    const { framing } = this.#options;
    const parser = framing.parser();
    let silence: NodeJS.Timeout | undefined;
    let discarded = 0;
    const take = (requests: readonly Request[]): void => {
      this.counters.discardedBytes += parser.discarded - discarded;
      discarded = parser.discarded;
      for (const request of requests) this.#serve(request, output);
    };
    return {
      push: (bytes) => {
        clearTimeout(silence);
        take(parser.push(bytes));
        if (framing.silenceMs !== undefined) silence = setTimeout(() => take(parser.pause()), framing.silenceMs);
      },
      close: () => clearTimeout(silence),
    };
  }

  async apply(verb: Verb, options: CommandOptions): Promise<void> {
    if (verb === "plug") this.#pulled = false;
    else if (verb === "unplug") this.#pulled = true;
    else if (verb === "restore") this.#pulled = false;
    setFault(this.#fault, verb, options);
    await this.follow();
  }

  /** Opens or closes the port as faults ask for. */
  async follow(): Promise<void> {
    this.#changing = this.#changing.catch(() => undefined).then(() => this.#openOrClose());
    await this.#changing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#late) clearTimeout(timer);
    await this.#changing.catch(() => undefined);
    await this.#port?.[Symbol.asyncDispose]();
  }

  async #openOrClose(): Promise<void> {
    const silent = this.#fault.silent || this.units.every(({ fault }) => fault.silent);
    const closed = this.#pulled || (this.#options.cutCloses && silent);
    if (closed) await this.#port?.close();
    else await this.#port?.open();
  }

  #serve(request: Request, output: Output): void {
    this.counters.requests++;
    const unit = this.#byUnit.get(request.unit);
    if (unit === undefined) {
      this.counters.unknownUnit++;
      return;
    }
    const fault = combined(this.#fault, unit.fault);
    if (fault.silent) {
      this.counters.silenced++;
      return;
    }
    this.#options.advance();
    const { pdu, signals } = answer(unit.device, request.pdu);
    const bytes = this.#frame(request, pdu, fault);
    const send = (): void => this.#send(unit, output, { bytes, signals, spoilt: spoils(fault) });
    if (fault.lateMs === 0) send();
    else this.#later(send, fault.lateMs);
  }

  #frame(request: Request, pdu: Uint8Array, fault: Fault): Uint8Array {
    const { framing, random } = this.#options;
    const bytes = fault.garbled ? framing.garble(request, pdu, () => random.next()) : framing.encode(request, pdu);
    return fault.truncated ? bytes.subarray(0, bytes.length >> 1) : bytes;
  }

  #later(send: () => void, lateMs: number): void {
    const timer = setTimeout(() => {
      this.#late.delete(timer);
      send();
    }, lateMs);
    this.#late.add(timer);
  }

  #send(
    unit: UnitTarget,
    output: Output,
    reply: { bytes: Uint8Array; signals: Signals | undefined; spoilt: boolean },
  ): void {
    if (this.#fault.silent || unit.fault.silent) {
      this.counters.silenced++;
      return;
    }
    // Taken before the write: a reader on another core must never have it earlier than the ledger says.
    const ts = Date.now();
    if (!output.write(reply.bytes)) {
      this.counters.undelivered++;
      return;
    }
    this.counters.replies++;
    if (reply.spoilt) this.counters.spoilt++;
    if (reply.signals === undefined) this.counters.exceptions++;
    else this.#options.ledger.add({ ts, asset: unit.id, signals: reply.signals, spoilt: reply.spoilt });
  }
}
