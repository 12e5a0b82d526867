/**
 * Finds the reply to the one request in flight in a stream of bytes. Whatever is no such reply (noise, replies of other
 * units, replies that came too late) is skipped and counted; nothing here throws.
 *
 * Layouts: Modbus over Serial Line 1.02, 2.5.1 (RTU); Modbus Messaging on TCP/IP 1.0b, 3.1.3 (MBAP header).
 */

/** The read request in flight. */
export interface Expected {
  readonly unit: number;
  readonly fc: number;
  readonly words: number;
  /** MBAP transaction id; TCP only. */
  readonly transaction: number;
}

export interface ReplyFinder {
  /** Bytes that belonged to no request, since the start. */
  readonly discardedBytes: number;
  /** Forgets what came so far, and looks for this reply. Undefined: whatever comes is discarded. */
  expect(expected: Expected | undefined): void;
  /** The whole reply as an RTU frame with its CRC, as soon as its last byte is there. */
  push(chunk: Uint8Array): Buffer | undefined;
  /** Bytes that came since `expect` and were no reply. */
  readonly strayBytes: number;
}

const EXCEPTION_BYTES = 5;
const EXCEPTION_BIT = 0x80;
const MBAP_BYTES = 6;
/** Unit id and PDU (253 bytes). */
const MAX_MBAP_LENGTH = 254;

abstract class Finder implements ReplyFinder {
  protected buffer: Buffer = Buffer.alloc(0);
  protected expected: Expected | undefined;
  #discardedBytes = 0;
  #strayBytes = 0;

  get discardedBytes(): number {
    return this.#discardedBytes;
  }

  get strayBytes(): number {
    return this.#strayBytes + this.buffer.length;
  }

  expect(expected: Expected | undefined): void {
    this.skip(this.buffer.length);
    this.#strayBytes = 0;
    this.expected = expected;
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

  protected abstract find(expected: Expected): Buffer | undefined;
}

/** RTU frames have no length and no number: a reply is what has the right head, size and checksum, wherever it begins. */
export class RtuReplyFinder extends Finder {
  protected find(expected: Expected): Buffer | undefined {
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
function replyLength(bytes: Uint8Array, { unit, fc, words }: Expected): number {
  if (bytes[0] !== unit) return 0;
  const code = bytes[1];
  if (code === undefined) return 2;
  if (code === (fc | EXCEPTION_BIT)) return EXCEPTION_BYTES;
  if (code !== fc) return 0;
  return bytes[2] === undefined || bytes[2] === 2 * words ? EXCEPTION_BYTES + 2 * words : 0;
}

/** MBAP frames have a length and a transaction id: only the reply with the id of the request in flight is one. */
export class TcpReplyFinder extends Finder {
  protected find(expected: Expected): Buffer | undefined {
    while (this.buffer.length >= MBAP_BYTES) {
      const length = this.buffer.readUInt16BE(4);
      if (this.buffer.readUInt16BE(2) !== 0 || length < 2 || length > MAX_MBAP_LENGTH) {
        // No frame begins here and no mark tells where the next does: with one request in flight, the next packet.
        this.skip(this.buffer.length);
        return undefined;
      }
      if (this.buffer.length < MBAP_BYTES + length) return undefined;
      const adu = this.buffer.subarray(MBAP_BYTES, MBAP_BYTES + length);
      if (this.buffer.readUInt16BE(0) === expected.transaction && isReply(adu, expected)) {
        return withCrc(this.take(MBAP_BYTES + length).subarray(MBAP_BYTES));
      }
      this.skip(MBAP_BYTES + length);
    }
    return undefined;
  }
}

function isReply(adu: Uint8Array, { unit, fc, words }: Expected): boolean {
  if (adu[0] !== unit) return false;
  if (adu[1] === (fc | EXCEPTION_BIT)) return adu.length === EXCEPTION_BYTES - 2;
  return adu[1] === fc && adu[2] === 2 * words && adu.length === 3 + 2 * words;
}

/** The MBAP frame of a request that comes as an RTU frame. */
export function toMbap(rtuFrame: Uint8Array, transaction: number): Buffer {
  const adu = rtuFrame.subarray(0, -2);
  const frame = Buffer.alloc(MBAP_BYTES + adu.length);
  frame.writeUInt16BE(transaction, 0);
  frame.writeUInt16BE(adu.length, 4);
  frame.set(adu, MBAP_BYTES);
  return frame;
}

function withCrc(adu: Uint8Array): Buffer {
  const frame = Buffer.alloc(adu.length + 2);
  frame.set(adu);
  frame.writeUInt16LE(crc16(adu), adu.length);
  return frame;
}

function crcHolds(frame: Buffer): boolean {
  return frame.readUInt16LE(frame.length - 2) === crc16(frame.subarray(0, -2));
}

/** What the lowest eight bits of the remainder do to it (Modbus over Serial Line 1.02, 6.2.2). */
const CRC_OF_BYTE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  return crc;
});

/** CRC-16/MODBUS: polynomial 0x8005 reflected, start 0xFFFF; sent low byte first. */
export function crc16(bytes: Uint8Array): number {
  let crc = 0xffff;
  for (let i = 0; i < bytes.length; i++)
    crc = (crc >>> 8) ^ (CRC_OF_BYTE[(crc ^ (bytes[i] as number)) & 0xff] as number);
  return crc;
}
