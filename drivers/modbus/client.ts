/**
 * One Modbus client on one link, with one request in flight. The only file that imports modbus-serial, which builds the
 * requests and takes replies apart. Two of its habits are dangerous, and are kept out by the port we give it:
 *  - Its RTU and telnet ports give every request the same transaction number and hand over whatever has the right unit,
 *    function and length. After one late reply each request would get the registers of the one before.
 *  - Without setTimeout() a request waits for ever; with it, timers outlive an abort.
 * So the port below hands over nothing but the reply to the request in flight, and the deadline is ours.
 *
 * Nearly always a request is one that was made before, and its reply comes whole. Then neither goes by way of
 * modbus-serial (with its buffers and promises a sixth of the field thread's time, with a hundred units at 1 Hz): the
 * bytes of a request are kept, and of a reply that ReplyFinder knows as whole only the registers are left to be read.
 */
import { EventEmitter } from "node:events";
import modbusSerial from "modbus-serial";
import type { Clock } from "../../core/clock.ts";
import { type ReplyFinder, type ReplyHead, setTransaction, toMbap } from "./frames.ts";
import type { Link } from "./link.ts";
import type { Span } from "./profile.ts";

export type ReadResult =
  /** The registers were taken. */
  | { readonly kind: "data" }
  /** `tUs`: when its last byte arrived (microseconds since 1970). */
  | { readonly kind: "exception"; readonly code: number; readonly tUs: number }
  /** Nothing, or only bytes that were no reply. */
  | { readonly kind: "silence"; readonly strayBytes: number };

/**
 * Takes the registers of a reply: two bytes each, the first at `at`; they are somebody else's again when it returns.
 * `tUs`: when the last of them arrived (microseconds since 1970).
 */
export type TakeRegisters = (bytes: Uint8Array, at: number, tUs: number) => void;

/** A request to read a span of registers, which may be made again and again. */
export class ReadRequest {
  readonly span: Span;
  readonly head: ReplyHead;
  readonly timeoutMs: number;
  readonly take: TakeRegisters;
  /** Its bytes as they go over the line of the client that made it last; undefined: they have to be built. */
  frame: Uint8Array | undefined;

  constructor(span: Span, device: { readonly unit: number; readonly timeoutMs: number }, take: TakeRegisters) {
    this.span = span;
    this.head = { unit: device.unit, fc: span.fc, words: span.words };
    this.timeoutMs = device.timeoutMs;
    this.take = take;
    this.frame = undefined;
  }
}

const DATA: ReadResult = { kind: "data" };

/** What modbus-serial takes for a port: an emitter of whole RTU frames. */
class FramePort extends EventEmitter {
  readonly isOpen = true;
  // modbus-serial files a request under the one and looks a reply up under the other.
  _transactionIdWrite = 1;
  _transactionIdRead = 1;
  /** The request that it built last: unit, function, address, number of registers, checksum. */
  built = new Uint8Array(0);

  open(opened: (error: null) => void): void {
    opened(null);
  }

  write(frame: Uint8Array<ArrayBuffer>): void {
    this.built = frame;
  }
}

export interface ClientOptions {
  readonly finder: ReplyFinder;
  readonly clock: Clock;
  /** Frames have the header of Modbus TCP, else they are RTU frames. */
  readonly mbap: boolean;
  /** Ends the request in flight, which then rejects with its reason. */
  readonly signal: AbortSignal;
  /** What the line needs after a request that nobody answered: until then the request has not ended. */
  readonly settle: () => Promise<void>;
}

interface InFlight {
  readonly request: ReadRequest;
  readonly resolve: (result: ReadResult | Promise<ReadResult>) => void;
  readonly reject: (reason: unknown) => void;
}

export class ModbusClient {
  readonly #link: Link;
  readonly #o: ClientOptions;
  readonly #port = new FramePort();
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
  readonly #answered = (error: unknown, data?: { buffer: Uint8Array }): void => this.#tookApart(error, data);
  /** Nothing is read any more. A signal made of others goes through all of them each time it is asked. */
  #closed = false;
  readonly #aborted = (): void => {
    const { signal } = this.#o;
    const inFlight = this.#inFlight;
    this.close();
    inFlight?.reject(signal.reason);
  };

  constructor(link: Link, options: ClientOptions) {
    this.#link = link;
    this.#o = options;
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
    const at = finder.whole(bytes);
    const reply = at > 0 ? undefined : finder.push(bytes);
    if (at === 0 && reply === undefined) return;
    this.#replyUs = clock.wallUs();
    if (at > 0) this.#data(bytes, at);
    else this.#takeApart(reply);
  }

  /** Forgets what came of a reply. */
  clear(): void {
    this.#o.finder.expect(undefined);
  }

  /** Nothing is read any more; a request in flight is forgotten. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#late);
    this.#late = undefined;
    this.#o.signal.removeEventListener("abort", this.#aborted);
    this.#inFlight = undefined;
    this.clear();
  }

  /** Reads a span of registers. Throws the signal's reason when it aborts, and what `request.take` throws. */
  read(request: ReadRequest): Promise<ReadResult> {
    if (this.#closed) this.#o.signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      this.#inFlight = { request, resolve, reject };
      this.#lastByteMs = this.#o.clock.monoMs();
      this.#watch(this.#lastByteMs, request.timeoutMs);
      this.#send(request);
    });
  }

  #watch(nowMs: number, timeoutMs: number): void {
    this.#giveUpMs = nowMs + timeoutMs;
    if (this.#late !== undefined && this.#lateMs <= this.#giveUpMs) return;
    clearTimeout(this.#late);
    this.#lateMs = this.#giveUpMs;
    this.#late = setTimeout(() => this.#look(), timeoutMs);
  }

  #look(): void {
    this.#late = undefined;
    if (this.#inFlight === undefined) return;
    const nowMs = this.#o.clock.monoMs();
    const leftMs = this.#giveUpMs - nowMs;
    // A timer may fire early by most of a millisecond.
    if (leftMs < 1) this.#silence();
    else this.#watch(nowMs, leftMs);
  }

  #data(bytes: Uint8Array, at: number): void {
    const inFlight = this.#takeInFlight();
    if (inFlight === undefined) return;
    try {
      inFlight.request.take(bytes, at, this.#replyUs);
    } catch (error) {
      inFlight.reject(error);
      return;
    }
    inFlight.resolve(DATA);
  }

  /** What is no whole reply with data: modbus-serial needs to know the request, which may have been made without it. */
  #takeApart(reply: Uint8Array | undefined): void {
    if (this.#inFlight === undefined) return;
    this.#build(this.#inFlight.request);
    this.#port.emit("data", reply);
  }

  #tookApart(error: unknown, data: { buffer: Uint8Array } | undefined): void {
    const code = (error as { modbusCode?: unknown } | null | undefined)?.modbusCode;
    if (data !== undefined) this.#data(data.buffer, 0);
    else if (typeof code === "number") this.#takeInFlight()?.resolve({ kind: "exception", code, tUs: this.#replyUs });
    else this.#silence();
  }

  #silence(): void {
    const result: ReadResult = { kind: "silence", strayBytes: this.#o.finder.strayBytes };
    const inFlight = this.#takeInFlight();
    inFlight?.resolve(this.#o.settle().then(() => result));
  }

  #takeInFlight(): InFlight | undefined {
    const inFlight = this.#inFlight;
    this.#inFlight = undefined;
    if (inFlight !== undefined) this.clear();
    return inFlight;
  }

  #build({ span, head }: ReadRequest): Uint8Array {
    this.#modbus[span.fc === 3 ? "writeFC3" : "writeFC4"](head.unit, span.at, span.words, this.#answered);
    return this.#o.mbap ? toMbap(this.#port.built) : this.#port.built;
  }

  #send(request: ReadRequest): void {
    const { finder, mbap } = this.#o;
    request.frame ??= this.#build(request);
    const frame = request.frame;
    this.#transaction = (this.#transaction + 1) & 0xffff;
    if (mbap) setTransaction(frame, this.#transaction);
    finder.expect(request.head, this.#transaction);
    // While the system has not taken the bytes they must stay as they are.
    if (!this.#link.write(frame)) request.frame = undefined;
  }
}
