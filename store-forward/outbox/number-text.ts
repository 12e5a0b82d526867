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
  let [digits, decimals] = [thousandths, MAX_DECIMALS];
  for (; digits % 10 === 0; decimals--) digits /= 10;
  return writeDecimal(out, at, digits, decimals);
}

/** `value` divided by ten to the power of `decimals`. */
function writeDecimal(out: Buffer, at: number, value: number, decimals: number): number {
  let start = at;
  if (value < 0) out[start++] = MINUS;
  let left = Math.abs(value);
  const end = start + Math.max(digitsOf(left), decimals + 1) + (decimals > 0 ? 1 : 0);
  for (let pos = end - 1; pos >= start; pos--) {
    if (decimals > 0 && pos === end - 1 - decimals) {
      out[pos] = POINT;
      continue;
    }
    const rest = Math.floor(left / 10);
    out[pos] = ZERO + left - rest * 10;
    left = rest;
  }
  return end;
}

/** Of a whole number from 0 to 2^31. */
function digitsOf(value: number): number {
  let digits = 1;
  for (let limit = 10; value >= limit; limit *= 10) digits++;
  return digits;
}
