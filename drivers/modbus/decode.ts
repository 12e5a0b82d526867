/** Register bytes to values. Pure; garbage becomes `undefined` (bad), never a number that was not there. */
import type { Value } from "../../core/sample.ts";
import type { RegisterSignal } from "./profile.ts";

type Raw = number | bigint;

/** A signal's scale, offset and resolution as counts of its smallest step. */
interface Steps {
  readonly perRaw: number;
  readonly offset: number;
  /** Steps in one unit where that is a power of ten, and dividing by it is exact; else undefined. */
  readonly perUnit: number | undefined;
}

const POWERS_OF_TEN: ReadonlySet<number> = new Set(Array.from({ length: 10 }, (_, digits) => 10 ** digits));
const stepsOf = new WeakMap<RegisterSignal, Steps>();

/** Longest number, in bytes. */
const scratch = new DataView(new ArrayBuffer(8));

/**
 * The value of a signal in a reply's register bytes (two a register, big-endian as on the wire). `byteOffset` is where
 * its first register lies. Undefined when the bytes hold no value: a sentinel, NaN, an unknown enumeration, no text.
 */
export function decodeSignal(signal: RegisterSignal, bytes: Uint8Array, byteOffset: number): Value | undefined {
  if (byteOffset < 0 || byteOffset + 2 * signal.words > bytes.length) return undefined;
  if (signal.type === "ascii" || signal.type === "hex" || signal.type === "dotted") {
    return decodeText(signal, bytes.subarray(byteOffset, byteOffset + signal.bytes));
  }
  const raw = readNumber(signal, bytes, byteOffset);
  if (raw === undefined || signal.bad.includes(raw)) return undefined;
  const part = typeof raw === "number" ? cut(raw, signal) : raw;
  return signal.texts === undefined ? scaled(part, signal) : signal.texts.get(Number(part));
}

function readNumber(signal: RegisterSignal, bytes: Uint8Array, byteOffset: number): Raw | undefined {
  for (let word = 0; word < signal.words; word++) {
    const from = byteOffset + 2 * (signal.wordOrder === "big" ? word : signal.words - 1 - word);
    scratch.setUint8(2 * word, bytes[from] as number);
    scratch.setUint8(2 * word + 1, bytes[from + 1] as number);
  }
  switch (signal.type) {
    case "u16":
      return scratch.getUint16(0);
    case "i16":
      return scratch.getInt16(0);
    case "u32":
      return scratch.getUint32(0);
    case "i32":
      return scratch.getInt32(0);
    case "u64":
      return scratch.getBigUint64(0);
    case "i64":
      return scratch.getBigInt64(0);
    case "f32":
      return finite(scratch.getFloat32(0));
    case "f64":
      return finite(scratch.getFloat64(0));
    default:
      return undefined;
  }
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}

function cut(raw: number, { shift, mask }: RegisterSignal): number {
  const shifted = shift === 0 ? raw : raw >>> shift;
  return mask === undefined ? shifted : (shifted & mask) >>> 0;
}

/** raw * scale + offset, rounded to the resolution; whole numbers beyond 2^53 stay exact, as decimal strings. */
function scaled(raw: Raw, signal: RegisterSignal): Value | undefined {
  if (typeof raw === "bigint" && Number.isInteger(signal.scale) && Number.isInteger(signal.offset)) {
    const exact = raw * BigInt(signal.scale) + BigInt(signal.offset);
    if (!Number.isSafeInteger(Number(exact))) return exact.toString();
  }
  const value = roundTo(Number(raw), signal);
  if (value === undefined || Number.isSafeInteger(value) || !Number.isInteger(value)) return value;
  // A float that large is a whole number only by accident of its format.
  return signal.type.startsWith("f") ? value : BigInt(value).toString();
}

/**
 * Decimal-exact: 2301 * 0.1 is 230.1 here, and float32 230.1 (230.10000610351562) with resolution 0.1 too. Counting in
 * steps of the resolution and cutting each product to 15 digits removes what binary fractions add.
 */
function roundTo(raw: number, signal: RegisterSignal): number | undefined {
  const { scale, offset, resolution } = signal;
  if (resolution === undefined) return finite(digits15(digits15(raw * scale) + offset));
  const { perRaw, offset: first, perUnit } = stepsOf.get(signal) ?? countSteps(signal, resolution);
  const steps = digits15(digits15(raw * perRaw) + first);
  const whole = steps < 0 ? -Math.round(-steps) : Math.round(steps);
  // One division is what toPrecision and Number come to, at a tenth of the time.
  const value = perUnit !== undefined && Number.isSafeInteger(whole) ? whole / perUnit : digits15(whole * resolution);
  return finite(value + 0);
}

function countSteps(signal: RegisterSignal, resolution: number): Steps {
  const perUnit = digits15(1 / resolution);
  const steps = {
    perRaw: digits15(signal.scale / resolution),
    offset: digits15(signal.offset / resolution),
    perUnit: POWERS_OF_TEN.has(perUnit) ? perUnit : undefined,
  };
  stepsOf.set(signal, steps);
  return steps;
}

function digits15(value: number): number {
  return Number.isSafeInteger(value) ? value : Number(value.toPrecision(15));
}

function decodeText(signal: RegisterSignal, bytes: Uint8Array): string | undefined {
  // Registers that nothing was ever written to read as all zeros or all ones: that is no text.
  if (bytes.every((byte) => byte === 0x00) || bytes.every((byte) => byte === 0xff)) return undefined;
  if (signal.type === "hex") return Buffer.from(bytes).toString("hex");
  if (signal.type === "dotted") return bytes.join(".");
  const text = Buffer.from(bytes).toString("latin1").replace(/\0.*$/s, "").trim();
  return /^[\x20-\x7e]+$/.test(text) ? text : undefined;
}
