/**
 * Kafka's record format, written by ourselves: kafkajs makes some thirty buffers for a record with seven headers, and
 * copies a batch seven times on its way to the socket. What it brings stands in docs/decisions/0007 and 0011.
 *
 * Record => Length Varint, Attributes Int8, TimestampDelta Varlong, OffsetDelta Varint, Key, Value, Headers (KIP-98)
 */

/** One message of a topic; its partition is the sink's. */
export interface Outgoing {
  readonly key: string;
  readonly value: Buffer | string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

const NO_LENGTH = -1;
/** Varints of 32 bits take five bytes at most. */
const VARINT_BYTES = 5;
/** Of a record of 64 B to 8 KiB: its length. */
const LENGTH_BYTES = 2;
/** The longest text whose length takes one byte. */
const SHORT = 63;
const NONE: Readonly<Record<string, string>> = {};

/** Most batches are written into the same memory, one after the other: a new MiB for each is what the collector runs for. */
const shared = Buffer.allocUnsafeSlow(2 * 1024 ** 2);

/** `kept`: not in memory that the next call writes to. */
export function encodeRecords(messages: readonly Outgoing[], kept = true): Buffer {
  let room = 0;
  for (const message of messages) room += roomFor(message);
  const out = kept || room > shared.length ? Buffer.allocUnsafe(room) : shared;
  let end = 0;
  for (let at = 0; at < messages.length; at++) end = writeRecord(out, end, messages[at] as Outgoing, at);
  return out.subarray(0, end);
}

/** No less than the record takes. */
function roomFor({ key, value, headers = NONE }: Outgoing): number {
  let bytes = 6 * VARINT_BYTES + 3 * key.length + lengthOf(value);
  for (const name in headers) bytes += 2 * VARINT_BYTES + 3 * (name.length + (headers[name] as string).length);
  return bytes;
}

function writeRecord(
  out: Buffer,
  start: number,
  { key, value, headers = NONE }: Outgoing,
  offsetDelta: number,
): number {
  // The length stands first and is known last: room is left for what most records' takes.
  const body = start + LENGTH_BYTES;
  let at = body;
  out[at++] = 0; // attributes
  out[at++] = 0; // time: the log's own counts
  at = writeVarint(out, at, offsetDelta);
  at = writeText(out, at, key);
  if (value === null) at = writeVarint(out, at, NO_LENGTH);
  else if (typeof value === "string") at = writeText(out, at, value);
  else {
    at = writeVarint(out, at, value.length);
    out.set(value, at);
    at += value.length;
  }
  let names = 0;
  for (const _ in headers) names++;
  at = writeVarint(out, at, names);
  for (const name in headers) {
    at = writeText(out, at, name);
    at = writeText(out, at, headers[name] as string);
  }
  return closeRecord(out, start, at);
}

/** Writes the length of what stands from `start` + LENGTH_BYTES to `end`; returns the record's end. */
function closeRecord(out: Buffer, start: number, end: number): number {
  const body = start + LENGTH_BYTES;
  const length = end - body;
  const from = start + varintBytes(length);
  if (from !== body) out.copyWithin(from, body, end);
  writeVarint(out, start, length);
  return from + length;
}

/** Its bytes with their length before them; keys and headers are short, and nearly always ASCII. */
function writeText(out: Buffer, at: number, text: string): number {
  const { length } = text;
  if (length <= SHORT) {
    let rest = 0;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      rest |= code;
      out[at + 1 + i] = code;
    }
    if (rest < 0x80) {
      out[at] = length << 1;
      return at + 1 + length;
    }
  }
  const bytes = Buffer.byteLength(text);
  const from = writeVarint(out, at, bytes);
  return from + out.write(text, from);
}

/** Zigzag, seven bits a byte. */
function writeVarint(out: Buffer, at: number, value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  let end = at;
  while (rest > 0x7f) {
    out[end++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[end++] = rest;
  return end;
}

/** What writeVarint takes for a number that is not negative. */
function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value >>> 6; rest > 0; rest >>>= 7) bytes++;
  return bytes;
}

function lengthOf(value: Buffer | string | null): number {
  if (value === null) return 0;
  return typeof value === "string" ? 3 * value.length : value.length;
}
