/**
 * Reads the log form of candump (`candump -L`, can-utils):
 *
 *   (1795226000.123456) can0 1DB#0011223344556677        11-bit id
 *   (1795226000.123456) can0 18FF50E5#00                 29-bit id (eight digits)
 *   (1795226000.123456) can0 1DB##1001122                CAN FD: one digit of flags, then data
 *   (1795226000.123456) can0 1DB#R8                      remote frame
 *   (1795226000.123456) can0 20000004#0004000000000000   error frame (CAN_ERR_FLAG)
 */
import type { CanFrame } from "./bus.ts";

type MutableFrame = { -readonly [Key in keyof CanFrame]: CanFrame[Key] };

const MAX_LINE_BYTES = 512;
const MAX_DATA_BYTES = 64;
const ERROR_FLAG = 0x2000_0000;
const SPACE = 0x20;
const [OPEN, CLOSE, DOT, HASH, LINE_FEED, CARRIAGE_RETURN] = [0x28, 0x29, 0x2e, 0x23, 0x0a, 0x0d];

/** The value of each hex digit's byte; 255 for any other. */
const HEX = new Uint8Array(256).fill(255);
for (const [value, digit] of [..."0123456789abcdef"].entries()) {
  HEX[digit.charCodeAt(0)] = value;
  HEX[digit.toUpperCase().charCodeAt(0)] = value;
}

/** Cuts a byte stream into frames. What is no frame is counted in `discardedLines`; the next line is read afresh. */
export class CandumpParser {
  discardedLines = 0;
  readonly #onFrame: (frame: CanFrame) => void;
  readonly #toGatewayUs: (recordedUs: number) => number;
  // One more byte: the zero after the line, which no comparison below takes for what it looks for.
  readonly #line = new Uint8Array(MAX_LINE_BYTES + 1);
  #length = 0;
  #overlong = false;
  // One frame object and one view per length, reused: this is the hot path of the field thread.
  readonly #bytes = new Uint8Array(MAX_DATA_BYTES);
  readonly #views = Array.from({ length: MAX_DATA_BYTES + 1 }, (_, length) => this.#bytes.subarray(0, length));
  readonly #frame: MutableFrame = {
    id: 0,
    extended: false,
    fd: false,
    remote: false,
    error: false,
    data: this.#bytes,
    tUs: 0,
  };
  #at = 0;

  /** `toGatewayUs` turns a line's time (microseconds) into the frame's. */
  constructor(onFrame: (frame: CanFrame) => void, toGatewayUs: (recordedUs: number) => number = (us) => us) {
    this.#onFrame = onFrame;
    this.#toGatewayUs = toGatewayUs;
  }

  push(chunk: Uint8Array): void {
    for (let index = 0; index < chunk.length; index++) {
      const byte = chunk[index] as number;
      if (byte === LINE_FEED) this.#endLine();
      else if (this.#length < MAX_LINE_BYTES) this.#line[this.#length++] = byte;
      else this.#overlong = true;
    }
  }

  /** The last line of a file may lack its line feed. */
  end(): void {
    if (this.#length > 0) this.#endLine();
  }

  #endLine(): void {
    if (this.#length > 0 && this.#line[this.#length - 1] === CARRIAGE_RETURN) this.#length--;
    this.#line[this.#length] = 0;
    const understood = !this.#overlong && this.#readLine();
    const empty = this.#length === 0 && !this.#overlong;
    this.#length = 0;
    this.#overlong = false;
    if (understood) this.#onFrame(this.#frame);
    else if (!empty) this.discardedLines++;
  }

  #readLine(): boolean {
    this.#at = 0;
    return this.#readTime() && this.#readName() && this.#readId() && this.#readBody();
  }

  /** `(seconds.microseconds) `; other numbers of decimals are scaled. */
  #readTime(): boolean {
    if (this.#line[this.#at++] !== OPEN) return false;
    const seconds = this.#decimal();
    if (this.#line[this.#at++] !== DOT) return false;
    const from = this.#at;
    const fraction = this.#decimal();
    const digits = this.#at - from;
    if (digits === 0 || digits > 9 || this.#line[this.#at++] !== CLOSE) return false;
    const recordedUs = seconds * 1_000_000 + Math.round(fraction * 10 ** (6 - digits));
    this.#frame.tUs = this.#toGatewayUs(recordedUs);
    return Number.isSafeInteger(recordedUs) && this.#line[this.#at++] === SPACE;
  }

  #decimal(): number {
    let value = 0;
    for (; this.#at < this.#length; this.#at++) {
      const digit = HEX[this.#line[this.#at] as number] as number;
      if (digit > 9) break;
      value = value * 10 + digit;
    }
    return value;
  }

  #readName(): boolean {
    const from = this.#at;
    while (this.#at < this.#length && (this.#line[this.#at] as number) > SPACE) this.#at++;
    return this.#at > from && this.#line[this.#at++] === SPACE;
  }

  #readId(): boolean {
    const from = this.#at;
    let id = 0;
    for (; this.#at < this.#length; this.#at++) {
      const digit = HEX[this.#line[this.#at] as number] as number;
      if (digit > 15) break;
      id = id * 16 + digit;
    }
    const digits = this.#at - from;
    const frame = this.#frame;
    frame.extended = digits === 8;
    frame.error = digits === 8 && id >= ERROR_FLAG && id < 2 * ERROR_FLAG;
    frame.id = frame.error ? id - ERROR_FLAG : id;
    if (frame.id > (frame.extended ? 0x1fff_ffff : 0x7ff)) return false;
    return (digits === 3 || digits === 8) && this.#at < this.#length && this.#line[this.#at++] === HASH;
  }

  #readBody(): boolean {
    const frame = this.#frame;
    const next = this.#line[this.#at] as number;
    frame.fd = this.#at < this.#length && next === HASH;
    frame.remote = this.#at < this.#length && (next === 0x52 || next === 0x72);
    if (frame.remote) {
      frame.data = this.#views[0] as Uint8Array;
      return this.#length - this.#at <= 2 || this.#isDirection(this.#at + 1);
    }
    if (frame.fd) {
      if ((HEX[this.#line[this.#at + 1] as number] as number) > 15) return false;
      this.#at += 2;
    }
    return this.#readData(frame.fd ? MAX_DATA_BYTES : 8);
  }

  #readData(most: number): boolean {
    let count = 0;
    while (this.#at + 1 < this.#length) {
      const high = HEX[this.#line[this.#at] as number] as number;
      if (high > 15) break;
      const low = HEX[this.#line[this.#at + 1] as number] as number;
      if (low > 15 || count === most) return false;
      this.#bytes[count++] = high * 16 + low;
      this.#at += 2;
    }
    this.#frame.data = this.#views[count] as Uint8Array;
    return this.#at === this.#length || this.#isDirection(this.#at);
  }

  /** Newer versions of candump add ` R` or ` T`, and `_9` to `_F` for a raw DLC above 8. */
  #isDirection(from: number): boolean {
    let at = from;
    if (this.#line[at] === 0x5f) at += 2;
    if (at === this.#length) return true;
    const letter = this.#line[at + 1];
    return at + 2 === this.#length && this.#line[at] === SPACE && (letter === 0x52 || letter === 0x54);
  }
}
