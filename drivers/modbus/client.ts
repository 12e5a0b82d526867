/**
 * One Modbus client on one link, with one request in flight. The only file that imports modbus-serial, which builds the
 * requests and takes the replies apart. Two of its habits are dangerous, and are kept out by the port we give it:
 *  - Its RTU and telnet ports give every request the same transaction number and hand over whatever has the right unit,
 *    function and length. After one late reply each request would get the registers of the one before.
 *  - Without setTimeout() a request waits for ever; with it, timers outlive an abort.
 * So the port below hands over nothing but the reply to the request in flight, and the deadline is ours.
 */
import { EventEmitter } from "node:events";
import modbusSerial from "modbus-serial";
import type { Clock } from "../../core/clock.ts";
import { type ReplyFinder, toMbap } from "./frames.ts";
import type { Link } from "./link.ts";
import type { Span } from "./profile.ts";

export type ReadResult =
  /** Two bytes a register, and when the last of them arrived (microseconds since 1970). */
  | { readonly kind: "data"; readonly bytes: Uint8Array; readonly tUs: number }
  | { readonly kind: "exception"; readonly code: number; readonly tUs: number }
  /** Nothing, or only bytes that were no reply. */
  | { readonly kind: "silence"; readonly strayBytes: number };

export interface ReadRequest {
  readonly unit: number;
  readonly span: Span;
  readonly timeoutMs: number;
}

/** What modbus-serial takes for a port: an emitter of whole RTU frames. */
class ReplyPort extends EventEmitter {
  readonly isOpen = true;
  // modbus-serial files a request under the one and looks a reply up under the other.
  _transactionIdWrite = 1;
  _transactionIdRead = 1;
  readonly #send: (frame: Uint8Array) => void;

  constructor(send: (frame: Uint8Array) => void) {
    super();
    this.#send = send;
  }

  open(opened: (error: null) => void): void {
    opened(null);
  }

  write(frame: Uint8Array): void {
    this.#send(frame);
  }
}

export interface ClientOptions {
  readonly finder: ReplyFinder;
  readonly clock: Clock;
  /** Frames have the header of Modbus TCP, else they are RTU frames. */
  readonly mbap: boolean;
  /** Ends the request in flight, which then rejects with its reason. */
  readonly signal: AbortSignal;
}

interface InFlight {
  readonly resolve: (result: ReadResult) => void;
  readonly reject: (reason: unknown) => void;
}

export class ModbusClient {
  readonly #link: Link;
  readonly #o: ClientOptions;
  readonly #port: ReplyPort;
  readonly #modbus: InstanceType<typeof modbusSerial.default>;
  #inFlight: InFlight | undefined;
  /** When the request in flight is given up, on the monotonic clock. */
  #giveUpMs = 0;
  /** Set for the first request and, when it fires, for what is left of the one in flight: not for each. */
  #late: NodeJS.Timeout | undefined;
  #lateMs = 0;
  #transaction = 0;
  #replyUs = 0;
  #lastByteMs = Number.NEGATIVE_INFINITY;
  #receivedBytes = 0;
  readonly #answered = (error: unknown, data?: { buffer: Uint8Array }): void => this.#end(this.#resultOf(error, data));
  readonly #aborted = (): void => {
    const { signal } = this.#o;
    const inFlight = this.#inFlight;
    this.close();
    inFlight?.reject(signal.reason);
  };

  constructor(link: Link, options: ClientOptions) {
    this.#link = link;
    this.#o = options;
    this.#port = new ReplyPort((frame) => this.#send(frame));
    this.#modbus = new modbusSerial.default(this.#port);
    this.#modbus.open();
    options.signal.addEventListener("abort", this.#aborted, { once: true });
  }

  /** When a byte last came or went, on the monotonic clock. */
  get lastByteMs(): number {
    return this.#lastByteMs;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  get discardedBytes(): number {
    return this.#o.finder.discardedBytes;
  }

  /** What came from the link. */
  receive(bytes: Uint8Array): void {
    const { clock, finder } = this.#o;
    this.#lastByteMs = clock.monoMs();
    this.#receivedBytes += bytes.length;
    const reply = finder.push(bytes);
    if (reply === undefined) return;
    this.#replyUs = clock.wallUs();
    this.#port.emit("data", reply);
  }

  /** Forgets what came of a reply. */
  clear(): void {
    this.#o.finder.expect(undefined);
  }

  /** Nothing is read any more; a request in flight is forgotten. */
  close(): void {
    clearTimeout(this.#late);
    this.#late = undefined;
    this.#o.signal.removeEventListener("abort", this.#aborted);
    this.#inFlight = undefined;
    this.clear();
  }

  /** Reads a span of registers. Throws the signal's reason when it aborts; nothing else. */
  read({ unit, span, timeoutMs }: ReadRequest): Promise<ReadResult> {
    this.#o.signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      this.#inFlight = { resolve, reject };
      this.#watch(timeoutMs);
      this.#modbus[span.fc === 3 ? "writeFC3" : "writeFC4"](unit, span.at, span.words, this.#answered);
    });
  }

  #watch(timeoutMs: number): void {
    const nowMs = this.#o.clock.monoMs();
    this.#giveUpMs = nowMs + timeoutMs;
    if (this.#late !== undefined && this.#lateMs <= this.#giveUpMs) return;
    clearTimeout(this.#late);
    this.#lateMs = this.#giveUpMs;
    this.#late = setTimeout(() => this.#look(), timeoutMs);
  }

  #look(): void {
    this.#late = undefined;
    if (this.#inFlight === undefined) return;
    const leftMs = this.#giveUpMs - this.#o.clock.monoMs();
    // A timer may fire early by most of a millisecond.
    if (leftMs < 1) this.#end(this.#silence());
    else this.#watch(leftMs);
  }

  #end(result: ReadResult): void {
    const inFlight = this.#inFlight;
    if (inFlight === undefined) return;
    this.#inFlight = undefined;
    this.clear();
    inFlight.resolve(result);
  }

  #resultOf(error: unknown, data: { buffer: Uint8Array } | undefined): ReadResult {
    const tUs = this.#replyUs;
    if (data !== undefined) return { kind: "data", bytes: data.buffer, tUs };
    const code = (error as { modbusCode?: unknown } | null | undefined)?.modbusCode;
    return typeof code === "number" ? { kind: "exception", code, tUs } : this.#silence();
  }

  #silence(): ReadResult {
    return { kind: "silence", strayBytes: this.#o.finder.strayBytes };
  }

  #send(frame: Uint8Array): void {
    const { finder, clock, mbap } = this.#o;
    // A request that modbus-serial sends: unit, function, address, number of registers, checksum.
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    this.#transaction = (this.#transaction + 1) & 0xffff;
    const transaction = this.#transaction;
    finder.expect({ unit: view.getUint8(0), fc: view.getUint8(1), words: view.getUint16(4), transaction });
    this.#lastByteMs = clock.monoMs();
    this.#link.write(mbap ? toMbap(frame, transaction) : frame);
  }
}
