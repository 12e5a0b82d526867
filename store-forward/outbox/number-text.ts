/**
 * Numbers as JSON text, written where they belong. Most are whole or have up to three decimals; for those no string is
 * made: n / 1000 equal to the value means that its decimals are exact, and with 15 digits or fewer no other text of
 * that length reads as the same number (IEEE 754: 15 digits survive), so it is what String() gives.
 *
 * Up to three digits are written at once, from a table, as four bytes (OVERHANG_BYTES of page.ts).
 */
import type { Page } from "./page.ts";

const SCALE = 1000;
const MILLION = 1_000_000;
const INT32 = 2 ** 31;
const MINUS = 0x2d;

/** No number's text is longer. */
export const MAX_NUMBER_BYTES = 32;
/** A number that `shortOf` has no room for. */
export const NOT_SHORT = -INT32;
/** Thousandths are below 2^10, and what stands before the point must be below 2^21. */
const FRACTION_BITS = 10;
const FRACTION_MASK = 2 ** FRACTION_BITS - 1;
const MAX_WHOLE = 2 ** (31 - FRACTION_BITS) - 1;

/** Of 0 to 999: three bytes as they are written, and above them how many they are; the same with zeros before it. */
const DIGITS = table((n) => String(n).padEnd(3, "\0") + String.fromCharCode(String(n).length));
const PADDED = table((n) => String(n).padStart(3, "0"));
/** The same as thousandths, with the point. */
const FRACTIONS = table((n) => String(n / SCALE).slice(1));
const FRACTION_BYTES = Uint8Array.from({ length: SCALE }, (_, n) => String(n / SCALE).slice(1).length);

/**
 * A number with up to three decimals and seven digits, in 32 bits as it will be written: what stands before the point,
 * and thousandths; all bits turned over if it is negative. NOT_SHORT for all others.
 */
export function shortOf(value: number): number {
  const scaled = value * SCALE;
  // Whatever does not fit comes out as another number, which the division shows.
  const thousandths = (scaled + (scaled < 0 ? -0.5 : 0.5)) | 0;
  if (thousandths / SCALE !== value) return NOT_SHORT;
  const left = thousandths < 0 ? -thousandths : thousandths;
  const whole = thousandOf(left);
  if (whole > MAX_WHOLE) return NOT_SHORT;
  const short = (whole << FRACTION_BITS) | (left - whole * SCALE);
  return thousandths < 0 ? ~short : short;
}

/** Writes what `String(value)` gives, and 0 for -0, and `null` for what JSON has no number for; returns its end. */
export function writeNumber(page: Page, at: number, value: number): number {
  const short = shortOf(value);
  if (short !== NOT_SHORT) return writeShort(page.view, at, short);
  if (Number.isSafeInteger(value)) return writeWhole(page.view, value < 0 ? minus(page.view, at) : at, Math.abs(value));
  return at + page.bytes.write(Number.isFinite(value) ? String(value) : "null", at, "latin1");
}

/** Writes what `shortOf` gave; returns its end. */
export function writeShort(view: DataView, at: number, short: number): number {
  const digits = short < 0 ? ~short : short;
  const end = writeSmall(view, short < 0 ? minus(view, at) : at, digits >>> FRACTION_BITS);
  const fraction = digits & FRACTION_MASK;
  if (fraction === 0) return end;
  view.setUint32(end, FRACTIONS[fraction] as number, true);
  return end + (FRACTION_BYTES[fraction] as number);
}

/** Characters of it. */
export function shortLength(short: number): number {
  const digits = short < 0 ? ~short : short;
  const sign = short < 0 ? 1 : 0;
  return sign + digitsOf(digits >>> FRACTION_BITS) + (FRACTION_BYTES[digits & FRACTION_MASK] as number);
}

/** Characters of what `String(value)` gives for a whole number. */
export function wholeLength(value: number): number {
  return value >= 0 && value < INT32 ? digitsOf(value) : String(value).length;
}

/** A whole number from 0 to 2^53. */
function writeWhole(view: DataView, at: number, value: number): number {
  if (value < MILLION) return writeSmall(view, at, value);
  const millions = Math.floor(value / MILLION);
  const rest = value - millions * MILLION;
  const thousands = thousandOf(rest);
  const behind = writePadded(view, writeWhole(view, at, millions), thousands);
  return writePadded(view, behind, rest - thousands * SCALE);
}

/** A whole number from 0 to 2^31. */
function writeSmall(view: DataView, at: number, value: number): number {
  if (value < SCALE) return writeDigits(view, at, value);
  const thousands = thousandOf(value);
  const behind = thousands < SCALE ? writeDigits(view, at, thousands) : writeSmall(view, at, thousands);
  return writePadded(view, behind, value - thousands * SCALE);
}

function writeDigits(view: DataView, at: number, value: number): number {
  const digits = DIGITS[value] as number;
  view.setUint32(at, digits, true);
  return at + (digits >>> 24);
}

function writePadded(view: DataView, at: number, value: number): number {
  view.setUint32(at, PADDED[value] as number, true);
  return at + 3;
}

function minus(view: DataView, at: number): number {
  view.setUint8(at, MINUS);
  return at + 1;
}

/** Division of whole numbers below 2^31: the compiler makes a multiplication of it. */
function thousandOf(value: number): number {
  return (value / SCALE) | 0;
}

/** Of a whole number from 0 to 2^31. */
function digitsOf(value: number): number {
  if (value < 10) return 1;
  if (value < 100) return 2;
  if (value < 1000) return 3;
  if (value < 10_000) return 4;
  let digits = 5;
  for (let limit = 100_000; value >= limit; limit *= 10) digits++;
  return digits;
}

function table(textOf: (n: number) => string): Uint32Array {
  const bytes = Buffer.alloc(4 * SCALE);
  for (let n = 0; n < SCALE; n++) bytes.write(textOf(n), 4 * n, "latin1");
  return Uint32Array.from({ length: SCALE }, (_, n) => bytes.readUInt32LE(4 * n));
}
