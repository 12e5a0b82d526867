/** The fast path's sending end: a batch becomes a datagram and goes to every target before `send` returns. */
import type { Clock } from "../../core/clock.ts";
import { BusbarError, systemCode } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { Batch } from "../../core/sample.ts";
import type { HostPort } from "../../core/schema.ts";
import type { SignalEntry } from "../../core/signals.ts";
import type { FastPathStatus } from "../status/protocol.ts";
import { tableHash, tableJson, tableParts } from "./table.ts";
import { Outlet, Target } from "./target.ts";
import { DatagramWriter } from "./writer.ts";

const TABLE_INTERVAL_MS = 5000;

export interface FastPathSenderOptions {
  readonly gateway: string;
  readonly signals: readonly SignalEntry[];
  readonly targets: readonly HostPort[];
  readonly clock: Clock;
  readonly log: Logger;
  /** How often the signal table is sent; default 5 s. */
  readonly tableIntervalMs?: number;
}

export class FastPathSender {
  /** The signal table as it stands retained in `busbar/bridge/signals`. */
  readonly tableJson: string;
  readonly #options: FastPathSenderOptions;
  readonly #targets: readonly Target[];
  readonly #outlets: Outlet[] = [];
  #writer: DatagramWriter | undefined;
  #tableParts: readonly Uint8Array[] = [];
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #refreshing = false;
  #datagrams = 0;
  /** Datagrams not sent: before the boot was known, or while the kernel's queue was full. */
  #unsent = 0;
  #socketError: string | undefined;

  constructor(options: FastPathSenderOptions) {
    this.#options = options;
    this.tableJson = tableJson(options.signals);
    const outlet = (family: 4 | 6): Outlet | undefined => this.#outlet(family);
    this.#targets = options.targets.map((to) => new Target({ to, outlet, log: options.log }));
  }

  /**
   * From now on batches are sent, as boot number `boot`; a second call changes nothing, because one boot's datagrams
   * carry one number. `synced`: the wall clock is known to be true; followed from the clock with each signal table.
   */
  start(boot: number, synced: boolean): void {
    const { gateway, signals, targets, tableIntervalMs = TABLE_INTERVAL_MS } = this.#options;
    if (this.#writer !== undefined || this.#closed || targets.length === 0) return;
    const writer = new DatagramWriter({ gateway, boot, signals, tableHash: tableHash(this.tableJson) });
    writer.clockSynced = synced;
    this.#writer = writer;
    this.#tableParts = tableParts(this.tableJson, writer.maxPartBytes);
    for (const target of this.#targets) target.useAddress();
    this.#sendTable();
    this.#timer = setInterval(() => this.#tick(), tableIntervalMs);
    // How the first datagrams fared is known by then.
    setImmediate(() => this.#refresh());
  }

  /** Hot. More entries than a datagram takes go in several; a batch of text alone sends none. Does not throw. */
  send(batch: Batch): void {
    const writer = this.#writer;
    if (writer === undefined) {
      if (this.#targets.length > 0) this.#unsent++;
      return;
    }
    let from = 0;
    do {
      if (this.#jammed()) return;
      const length = writer.encodeBatch(batch, from, this.#options.clock.wallUs());
      if (length > 0) this.#transmit(writer, length);
      from = writer.next;
    } while (from < batch.numbers.length);
  }

  status(): FastPathStatus {
    const closed = this.#outlets.some((outlet) => !outlet.ready) ? this.#socketError : undefined;
    const error = closed ?? this.#targets.find((target) => target.error !== undefined)?.error?.message;
    const status = {
      targets: this.#targets.map((target) => target.label),
      datagrams: this.#datagrams,
      errors: this.#targets.reduce((errors, target) => errors + target.errors, this.#unsent),
    };
    return error === undefined ? status : { ...status, error };
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    for (const outlet of this.#outlets.splice(0)) outlet.socket.close();
    this.#writer = undefined;
  }

  #transmit(writer: DatagramWriter, length: number): void {
    for (let i = 0; i < this.#targets.length; i++) (this.#targets[i] as Target).send(writer.bytes, length);
    this.#datagrams++;
  }

  /** While a datagram waits for the kernel it owns the buffer; what would come next is lost, and shows as such. */
  #jammed(): boolean {
    for (let i = 0; i < this.#outlets.length; i++) {
      const outlet = this.#outlets[i] as Outlet;
      if (!outlet.ready || outlet.socket.getSendQueueCount() === 0) continue;
      this.#unsent++;
      this.#writer?.skip();
      return true;
    }
    return false;
  }

  #sendTable(): void {
    const writer = this.#writer;
    if (writer === undefined) return;
    const parts = this.#tableParts.length;
    for (const [part, slice] of this.#tableParts.entries()) {
      if (this.#jammed()) return;
      const sendUs = this.#options.clock.wallUs();
      this.#transmit(writer, writer.encodeTablePart(slice, { part, parts }, sendUs));
    }
  }

  #tick(): void {
    if (this.#writer !== undefined) this.#writer.clockSynced = this.#options.clock.synced;
    this.#sendTable();
    for (const outlet of this.#outlets) outlet.open();
    this.#refresh();
  }

  #refresh(): void {
    if (this.#refreshing || this.#closed) return;
    this.#refreshing = true;
    void Promise.all(this.#targets.map((target) => target.refresh())).then((changes) => {
      this.#refreshing = false;
      // Whoever could not hear us until now has no table yet.
      if (changes.includes(true)) this.#sendTable();
    });
  }

  #outlet(family: 4 | 6): Outlet | undefined {
    const known = this.#outlets.find((outlet) => outlet.family === family);
    if (known !== undefined || this.#closed) return known;
    const outlet = new Outlet(family, (error) => this.#socketFailed(error));
    this.#outlets.push(outlet);
    outlet.open();
    return outlet;
  }

  #socketFailed(cause: Error): void {
    const what = `fast path: no UDP socket (${systemCode(cause) ?? cause.message})`;
    const error = new BusbarError("UPLINK_UNREACHABLE", what, {
      remedy: "check the network and the limits of this service",
      cause,
    });
    if (this.#socketError !== error.message) this.#options.log.warn(error.message);
    this.#socketError = error.message;
  }
}
