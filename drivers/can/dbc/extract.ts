/**
 * Raw values out of frames, without allocation up to 53 bits. Bit b of a frame is byte b >> 3 at weight 1 << (b & 7);
 * Intel fields name their lowest bit and go up, Motorola fields name their highest bit and go down within a byte, then
 * on to the next byte.
 */
export interface BitField {
  readonly start: number;
  readonly length: number;
  readonly bigEndian: boolean;
  readonly signed: boolean;
  /** The field lies within this many first bytes of the frame. */
  readonly needBytes: number;
}

export interface FieldPlace {
  readonly start: number;
  readonly length: number;
  readonly bigEndian: boolean;
  readonly signed: boolean;
}

const scratch = new DataView(new ArrayBuffer(8));

export function bitField({ start, length, bigEndian, signed }: FieldPlace): BitField {
  return { start, length, bigEndian, signed, needBytes: (lastBit(start, length, bigEndian) >> 3) + 1 };
}

/** The field's integer, exact up to 53 bits. The frame must have `needBytes` bytes. */
export function readInteger(field: BitField, data: Uint8Array): number {
  const { length, signed } = field;
  const raw = field.bigEndian ? motorola(data, field.start, length) : intel(data, field.start, length);
  return signed && raw >= 2 ** (length - 1) ? raw - 2 ** length : raw;
}

/** The field's integer of any length up to 64 bits. */
export function readBigInteger(field: BitField, data: Uint8Array): bigint {
  const lowBits = Math.min(field.length, 32);
  const highBits = field.length - lowBits;
  const low = field.bigEndian
    ? motorola(data, advance(field.start, highBits), lowBits)
    : intel(data, field.start, lowBits);
  const high =
    highBits === 0
      ? 0
      : field.bigEndian
        ? motorola(data, field.start, highBits)
        : intel(data, field.start + 32, highBits);
  const raw = (BigInt(high) << 32n) | BigInt(low);
  return field.signed ? BigInt.asIntN(field.length, raw) : raw;
}

/** The field as an IEEE 754 number; it has 32 or 64 bits. */
export function readFloat(field: BitField, data: Uint8Array): number {
  const { start, bigEndian, length } = field;
  if (length === 32) {
    scratch.setUint32(0, bigEndian ? motorola(data, start, 32) : intel(data, start, 32));
    return scratch.getFloat32(0);
  }
  scratch.setUint32(0, bigEndian ? motorola(data, start, 32) : intel(data, start + 32, 32));
  // 32 bits on are four bytes on at the same bit of the byte, in either order.
  scratch.setUint32(4, bigEndian ? motorola(data, start + 32, 32) : intel(data, start, 32));
  return scratch.getFloat64(0);
}

/** Every bit of the field, in frame numbering. */
export function* bitsOf({ start, length, bigEndian }: FieldPlace): Generator<number> {
  for (let index = 0; index < length; index++) yield bigEndian ? advance(start, index) : start + index;
}

function lastBit(start: number, length: number, bigEndian: boolean): number {
  return bigEndian ? advance(start, length - 1) : start + length - 1;
}

/** The bit that lies `count` bits below a Motorola bit. */
function advance(bit: number, count: number): number {
  const walked = (bit & ~7) + 7 - (bit & 7) + count;
  return (walked & ~7) + 7 - (walked & 7);
}

function intel(data: Uint8Array, start: number, length: number): number {
  const last = start + length - 1;
  const first = start >> 3;
  const shift = start & 7;
  let index = last >> 3;
  if (index === first) return ((data[index] as number) >> shift) & ((1 << length) - 1);
  let value = (data[index] as number) & ((2 << (last & 7)) - 1);
  for (index--; index > first; index--) value = value * 256 + (data[index] as number);
  return value * (1 << (8 - shift)) + ((data[first] as number) >> shift);
}

function motorola(data: Uint8Array, start: number, length: number): number {
  let index = start >> 3;
  const bits = (start & 7) + 1;
  if (length <= bits) return ((data[index] as number) >> (bits - length)) & ((1 << length) - 1);
  let value = (data[index] as number) & ((1 << bits) - 1);
  let rest = length - bits;
  for (; rest >= 8; rest -= 8) value = value * 256 + (data[++index] as number);
  return rest === 0 ? value : value * (1 << rest) + ((data[index + 1] as number) >> (8 - rest));
}
