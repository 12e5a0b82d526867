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

export class ModbusClient {
  readonly #link: Link;
  readonly #finder: ReplyFinder;
  readonly #clock: Clock;
  readonly #mbap: boolean;
  readonly #port: ReplyPort;
  readonly #modbus: InstanceType<typeof modbusSerial.default>;
  #transaction = 0;
  #replyUs = 0;
  #lastByteMs = Number.NEGATIVE_INFINITY;
  #receivedBytes = 0;

  /** `mbap`: frames have the header of Modbus TCP, else they are RTU frames. */
  constructor(link: Link, options: { finder: ReplyFinder; clock: Clock; mbap: boolean }) {
    this.#link = link;
    this.#finder = options.finder;
    this.#clock = options.clock;
    this.#mbap = options.mbap;
    this.#port = new ReplyPort((frame) => this.#send(frame));
    this.#modbus = new modbusSerial.default(this.#port);
    this.#modbus.open();
  }

  /** When a byte last came or went, on the monotonic clock. */
  get lastByteMs(): number {
    return this.#lastByteMs;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  get discardedBytes(): number {
    return this.#finder.discardedBytes;
  }

  /** What came from the link. */
  receive(bytes: Uint8Array): void {
    this.#lastByteMs = this.#clock.monoMs();
    this.#receivedBytes += bytes.length;
    const reply = this.#finder.push(bytes);
    if (reply === undefined) return;
    this.#replyUs = this.#clock.wallUs();
    this.#port.emit("data", reply);
  }

  /** Forgets the request in flight, and what came of its reply. */
  clear(): void {
    this.#finder.expect(undefined);
  }

  /** Reads a span of registers. Throws the signal's reason when it aborts; nothing else. */
  read({ unit, span, timeoutMs }: ReadRequest, signal: AbortSignal): Promise<ReadResult> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => end({ kind: "silence", strayBytes: this.#finder.strayBytes }), timeoutMs);
      const aborted = () => {
        clearTimeout(late);
        this.clear();
        reject(signal.reason);
      };
      const end = (result: ReadResult) => {
        clearTimeout(late);
        signal.removeEventListener("abort", aborted);
        this.clear();
        resolve(result);
      };
      signal.addEventListener("abort", aborted, { once: true });
      const method = span.fc === 3 ? "writeFC3" : "writeFC4";
      this.#modbus[method](unit, span.at, span.words, (error: unknown, data?: { buffer: Uint8Array }) => {
        end(this.#resultOf(error, data));
      });
    });
  }

  #resultOf(error: unknown, data: { buffer: Uint8Array } | undefined): ReadResult {
    const tUs = this.#replyUs;
    if (data !== undefined) return { kind: "data", bytes: data.buffer, tUs };
    const code = (error as { modbusCode?: unknown } | null | undefined)?.modbusCode;
    if (typeof code === "number") return { kind: "exception", code, tUs };
    return { kind: "silence", strayBytes: this.#finder.strayBytes };
  }

  #send(frame: Uint8Array): void {
    // A request that modbus-serial sends: unit, function, address, number of registers, checksum.
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    this.#transaction = (this.#transaction + 1) & 0xffff;
    const transaction = this.#transaction;
    this.#finder.expect({ unit: view.getUint8(0), fc: view.getUint8(1), words: view.getUint16(4), transaction });
    this.#lastByteMs = this.#clock.monoMs();
    this.#link.write(this.#mbap ? toMbap(frame, transaction) : frame);
  }
}
