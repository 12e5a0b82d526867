/**
 * Whether bytes are JSON, without making anything of them: the parser makes some two hundred objects of a record of which
 * the bridge needs none (6 µs and their collection; this takes 1.2). It takes less than JSON has: no white space, no escapes,
 * no exponents, no deep nesting. What it takes, the parser takes; of the rest the parser decides.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const ARRAY = 0x5b;
const ARRAY_END = 0x5d;
const OBJECT = 0x7b;
const OBJECT_END = 0x7d;
/** What a string may hold as it is; malformed UTF-8, too, of which the decoder makes U+FFFD. */
const IN_STRING = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number(byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH),
);
const LITERALS = ["null", "true", "false"].map((text) => Buffer.from(text));
/** One bit each, in a number of 32. */
const MOST_NESTED = 30;

/** Where the array that begins at `at` ends, the index behind its last byte; -1 when the parser has to look. */
export function endOfArray(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== ARRAY) return -1;
  /** What is open, the innermost in the lowest bit: 1 an array, 0 an object; above them a 1. */
  let open = 1;
  let next = at;
  for (;;) {
    // A value begins at `next`; opening brackets are passed until one has ended.
    const byte = bytes[next] as number;
    if (byte <= NINE && byte >= ZERO) {
      next = endOfNumber(bytes, next);
    } else if (byte === ARRAY && bytes[next + 1] !== ARRAY_END) {
      open = (open << 1) | 1;
      next++;
      if (open >>> MOST_NESTED > 0) return -1;
      continue;
    } else if (byte === OBJECT && bytes[next + 1] !== OBJECT_END) {
      open <<= 1;
      next = endOfName(bytes, next + 1);
      if (next < 0 || open >>> MOST_NESTED > 0) return -1;
      continue;
    } else next = byte === ARRAY || byte === OBJECT ? next + 2 : endOfScalar(bytes, next);
    if (next < 0) return -1;
    while (open > 1 && bytes[next] === ((open & 1) === 1 ? ARRAY_END : OBJECT_END)) {
      open >>>= 1;
      next++;
    }
    if (open === 1) return next;
    if (bytes[next] !== COMMA) return -1;
    next = (open & 1) === 1 ? next + 1 : endOfName(bytes, next + 1);
    if (next < 0) return -1;
  }
}

function endOfScalar(bytes: Uint8Array, at: number): number {
  const byte = bytes[at] as number;
  if (byte === QUOTE) return endOfString(bytes, at);
  if (byte === MINUS || (byte >= ZERO && byte <= NINE)) return endOfNumber(bytes, at);
  const literal = LITERALS.find((text) => text[0] === byte);
  if (literal === undefined || literal.some((wanted, i) => bytes[at + i] !== wanted)) return -1;
  return at + literal.length;
}

/** Behind the colon. */
function endOfName(bytes: Uint8Array, at: number): number {
  const end = endOfString(bytes, at);
  return end >= 0 && bytes[end] === COLON ? end + 1 : -1;
}

function endOfString(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== QUOTE) return -1;
  let end = at + 1;
  while (IN_STRING[bytes[end] as number] === 1) end++;
  return bytes[end] === QUOTE ? end + 1 : -1;
}

/** RFC 8259, 6, without exponents. */
function endOfNumber(bytes: Uint8Array, at: number): number {
  let end = bytes[at] === MINUS ? at + 1 : at;
  let byte = bytes[end] as number;
  if (byte === ZERO) byte = bytes[++end] as number;
  else {
    if (!(byte > ZERO && byte <= NINE)) return -1;
    do byte = bytes[++end] as number;
    while (byte >= ZERO && byte <= NINE);
  }
  if (byte !== DOT) return end;
  byte = bytes[++end] as number;
  if (!(byte >= ZERO && byte <= NINE)) return -1;
  do byte = bytes[++end] as number;
  while (byte >= ZERO && byte <= NINE);
  return end;
}
