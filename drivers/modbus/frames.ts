/**
 * Finds the reply to the one request in flight in a stream of bytes. Whatever is no such reply (noise, replies of other
 * units, replies that came too late) is skipped and counted; nothing here throws.
 *
 * Layouts: Modbus over Serial Line 1.02, 2.5.1 (RTU); Modbus Messaging on TCP/IP 1.0b, 3.1.3 (MBAP header).
 */

/** What the reply to a read request begins with. */
export interface ReplyHead {
  readonly unit: number;
  readonly fc: number;
  readonly words: number;
}

export interface ReplyFinder {
  /** Bytes that belonged to no request, since the start. */
  readonly discardedBytes: number;
  /**
   * Forgets what came so far, and looks for this reply, over TCP with that MBAP transaction id. Undefined: whatever comes
   * is discarded.
   */
  expect(head: ReplyHead | undefined, transaction?: number): void;
  /**
   * Where the registers begin in a chunk that is the reply, all of it and nothing else, as replies mostly come; nothing
   * is copied. 0: it is not, and nothing changed; `push` takes it.
   */
  whole(chunk: Uint8Array): number;
  /** The whole reply as an RTU frame with its CRC, as soon as its last byte is there. */
  push(chunk: Uint8Array): Buffer | undefined;
  /** Bytes that came since `expect` and were no reply. */
  readonly strayBytes: number;
}

const EXCEPTION_BYTES = 5;
const EXCEPTION_BIT = 0x80;
const MBAP_BYTES = 6;
/** Unit, function, number of bytes. */
const HEAD_BYTES = 3;
const CRC_BYTES = 2;
/** Unit id and PDU (253 bytes). */
const MAX_MBAP_LENGTH = 254;

abstract class Finder implements ReplyFinder {
  protected buffer: Buffer = Buffer.alloc(0);
  protected expected: ReplyHead | undefined;
  protected transaction = 0;
  #discardedBytes = 0;
  #strayBytes = 0;

  get discardedBytes(): number {
    return this.#discardedBytes;
  }

  get strayBytes(): number {
    return this.#strayBytes + this.buffer.length;
  }

  expect(head: ReplyHead | undefined, transaction = 0): void {
    this.skip(this.buffer.length);
    this.#strayBytes = 0;
    this.expected = head;
    this.transaction = transaction;
  }

  whole(chunk: Uint8Array): number {
    if (this.expected === undefined || this.buffer.length > 0) return 0;
    const at = this.registersIn(chunk, this.expected);
    if (at > 0) this.expect(undefined);
    return at;
  }

  push(chunk: Uint8Array): Buffer | undefined {
    this.buffer = this.buffer.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.buffer, chunk]);
    const reply = this.expected === undefined ? undefined : this.find(this.expected);
    // Only one reply is awaited: what stands behind it belongs to nothing.
    if (reply !== undefined) this.expect(undefined);
    else if (this.expected === undefined) this.skip(this.buffer.length);
    return reply;
  }

  protected skip(bytes: number): void {
    if (bytes === 0) return;
    this.#discardedBytes += bytes;
    this.#strayBytes += bytes;
    this.buffer = this.buffer.subarray(bytes);
  }

  /** Takes bytes that are accounted for: a reply. */
  protected take(bytes: number): Buffer {
    const taken = this.buffer.subarray(0, bytes);
    this.buffer = this.buffer.subarray(bytes);
    return taken;
  }

  protected abstract find(expected: ReplyHead): Buffer | undefined;
  protected abstract registersIn(chunk: Uint8Array, expected: ReplyHead): number;
}

/** RTU frames have no length and no number: a reply is what has the right head, size and checksum, wherever it begins. */
export class RtuReplyFinder extends Finder {
  protected registersIn(chunk: Uint8Array, expected: ReplyHead): number {
    const bytes = HEAD_BYTES + 2 * expected.words;
    return chunk.length === bytes + CRC_BYTES && isHead(chunk, 0, expected) && crcHolds(chunk) ? HEAD_BYTES : 0;
  }

  protected find(expected: ReplyHead): Buffer | undefined {
    let at = 0;
    while (at < this.buffer.length) {
      const length = replyLength(this.buffer.subarray(at), expected);
      const complete = at + length <= this.buffer.length;
      if (length > 0 && !complete) break;
      if (length > 0 && crcHolds(this.buffer.subarray(at, at + length))) {
        this.skip(at);
        return this.take(length);
      }
      at++;
    }
    this.skip(at);
    return undefined;
  }
}

/** Bytes of the reply that seems to begin here; 0: none does. */
function replyLength(bytes: Uint8Array, { unit, fc, words }: ReplyHead): number {
  if (bytes[0] !== unit) return 0;
  const code = bytes[1];
  if (code === undefined) return 2;
  if (code === (fc | EXCEPTION_BIT)) return EXCEPTION_BYTES;
  if (code !== fc) return 0;
  return bytes[2] === undefined || bytes[2] === 2 * words ? EXCEPTION_BYTES + 2 * words : 0;
}

/** MBAP frames have a length and a transaction id: only the reply with the id of the request in flight is one. */
export class TcpReplyFinder extends Finder {
  protected registersIn(chunk: Uint8Array, expected: ReplyHead): number {
    const bytes = HEAD_BYTES + 2 * expected.words;
    const isFrame =
      chunk.length === MBAP_BYTES + bytes &&
      u16At(chunk, 0) === this.transaction &&
      u16At(chunk, 2) === 0 &&
      u16At(chunk, 4) === bytes;
    return isFrame && isHead(chunk, MBAP_BYTES, expected) ? MBAP_BYTES + HEAD_BYTES : 0;
  }

  protected find(expected: ReplyHead): Buffer | undefined {
    while (this.buffer.length >= MBAP_BYTES) {
      const length = this.buffer.readUInt16BE(4);
      if (this.buffer.readUInt16BE(2) !== 0 || length < 2 || length > MAX_MBAP_LENGTH) {
        // No frame begins here and no mark tells where the next does: with one request in flight, the next packet.
        this.skip(this.buffer.length);
        return undefined;
      }
      if (this.buffer.length < MBAP_BYTES + length) return undefined;
      const adu = this.buffer.subarray(MBAP_BYTES, MBAP_BYTES + length);
      if (this.buffer.readUInt16BE(0) === this.transaction && isReply(adu, expected)) {
        return withCrc(this.take(MBAP_BYTES + length).subarray(MBAP_BYTES));
      }
      this.skip(MBAP_BYTES + length);
    }
    return undefined;
  }
}

function isReply(adu: Uint8Array, expected: ReplyHead): boolean {
  const { unit, fc, words } = expected;
  if (adu[0] === unit && adu[1] === (fc | EXCEPTION_BIT)) return adu.length === EXCEPTION_BYTES - CRC_BYTES;
  return isHead(adu, 0, expected) && adu.length === HEAD_BYTES + 2 * words;
}

function isHead(bytes: Uint8Array, at: number, { unit, fc, words }: ReplyHead): boolean {
  return bytes[at] === unit && bytes[at + 1] === fc && bytes[at + 2] === 2 * words;
}

function u16At(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

/** The MBAP frame of a request that comes as an RTU frame, with transaction id 0. */
export function toMbap(rtuFrame: Uint8Array): Buffer {
  const adu = rtuFrame.subarray(0, -CRC_BYTES);
  const frame = Buffer.alloc(MBAP_BYTES + adu.length);
  frame.writeUInt16BE(adu.length, 4);
  frame.set(adu, MBAP_BYTES);
  return frame;
}

export function setTransaction(mbapFrame: Uint8Array, transaction: number): void {
  mbapFrame[0] = transaction >>> 8;
  mbapFrame[1] = transaction;
}

function withCrc(adu: Uint8Array): Buffer {
  const frame = Buffer.alloc(adu.length + CRC_BYTES);
  frame.set(adu);
  frame.writeUInt16LE(crc16(adu), adu.length);
  return frame;
}

function crcHolds(frame: Uint8Array): boolean {
  const end = frame.length - CRC_BYTES;
  return crc16(frame, end) === ((frame[end] as number) | ((frame[end + 1] as number) << 8));
}

/** What the lowest eight bits of the remainder do to it (Modbus over Serial Line 1.02, 6.2.2). */
const CRC_OF_BYTE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  return crc;
});

/** CRC-16/MODBUS of the bytes before `end`: polynomial 0x8005 reflected, start 0xFFFF; sent low byte first. */
export function crc16(bytes: Uint8Array, end = bytes.length): number {
  let crc = 0xffff;
  for (let i = 0; i < end; i++) crc = (crc >>> 8) ^ (CRC_OF_BYTE[(crc ^ (bytes[i] as number)) & 0xff] as number);
  return crc;
}
