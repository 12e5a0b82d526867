/**
 * Numbers as JSON text, written where they belong. Most are whole or have up to three decimals; for those no string is
 * made: n / 1000 equal to the value means that its decimals are exact, and with 15 digits or fewer no other text of
 * that length reads as the same number (IEEE 754: 15 digits survive), so it is what String() gives.
 */
const SCALE = 1000;
const MAX_DECIMALS = 3;
const INT32 = 2 ** 31;
const ZERO = 0x30;
const POINT = 0x2e;
const MINUS = 0x2d;

/** No number's text is longer. */
export const MAX_NUMBER_BYTES = 32;

/** Writes what `String(value)` gives, and 0 for -0, and `null` for what JSON has no number for; returns its end. */
export function writeNumber(out: Buffer, at: number, value: number): number {
  if ((value | 0) === value) return writeDecimal(out, at, value, 0);
  const thousandths = Math.round(value * SCALE);
  if (thousandths / SCALE !== value || thousandths >= INT32 || thousandths <= -INT32) {
    return at + out.write(Number.isFinite(value) ? String(value) : "null", at, "latin1");
  }
  let [digits, decimals] = [thousandths | 0, MAX_DECIMALS];
  for (let tenth = tenthOf(digits); tenth * 10 === digits; tenth = tenthOf(digits)) {
    digits = tenth;
    decimals--;
  }
  return writeDecimal(out, at, digits, decimals);
}

/** Characters of what `String(value)` gives for a whole number. */
export function wholeLength(value: number): number {
  return value >= 0 && value < INT32 ? digitsOf(value) : String(value).length;
}

/** `value` divided by ten to the power of `decimals`. */
function writeDecimal(out: Buffer, at: number, value: number, decimals: number): number {
  let start = at;
  let left = value;
  if (value < 0) {
    out[start++] = MINUS;
    left = -value;
  }
  const digits = digitsOf(left);
  const places = digits > decimals ? digits : decimals + 1;
  const end = decimals > 0 ? start + places + 1 : start + places;
  let pos = end - 1;
  for (let after = decimals; after > 0; after--) {
    const tenth = tenthOf(left);
    out[pos--] = ZERO + left - tenth * 10;
    left = tenth;
  }
  if (decimals > 0) out[pos--] = POINT;
  while (pos >= start) {
    const tenth = tenthOf(left);
    out[pos--] = ZERO + left - tenth * 10;
    left = tenth;
  }
  return end;
}

/** Division of whole numbers below 2^31: the compiler makes a multiplication of it. */
function tenthOf(value: number): number {
  return (value / 10) | 0;
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
