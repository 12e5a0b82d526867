/**
 * Kafka's record format, written by ourselves: kafkajs makes some thirty buffers for a record with seven headers and
 * copies the list of messages for each that it adds to it. It is given messages without content instead, of which it
 * needs the number, and the real ones take their place where it calls the codec that compresses a batch: a public hook,
 * and all that kafkajs sees of them. What it brings stands in docs/decisions/0007.
 *
 * Record => Length Varint, Attributes Int8, TimestampDelta Varlong, OffsetDelta Varint, Key, Value, Headers (KIP-98)
 */
import { randomBytes } from "node:crypto";

/** One message of a topic; its partition is the sink's. */
export interface Outgoing {
  readonly key: string;
  readonly value: Buffer | string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Blank {
  readonly key: null;
  readonly value: Buffer | null;
  readonly partition: number;
}

const TOKEN_BYTES = 16;
/** In the first blank's record: length, attributes, time, offset, no key, length of the value; one byte each. */
const TOKEN_AT = 6;
const NO_LENGTH = -1;
/** Varints of 32 bits take five bytes at most. */
const VARINT_BYTES = 5;
/** The longest text whose length takes one byte. */
const SHORT = 63;

const pending = new Map<string, Buffer>();
const PREFIX = randomBytes(8);
let count = 0n;

/** What kafkajs is given in place of `messages`; until it is disposed of, its batch is exchanged for the real one. */
export class Batch implements Disposable {
  readonly blanks: Blank[];
  readonly #token: string;

  constructor(messages: readonly Outgoing[], partition: number) {
    const token = Buffer.alloc(TOKEN_BYTES);
    PREFIX.copy(token);
    token.writeBigUInt64BE(count++, PREFIX.length);
    this.#token = token.toString("latin1");
    pending.set(this.#token, encodeRecords(messages));
    const blank: Blank = { key: null, value: null, partition };
    const first: Blank = { key: null, value: token, partition };
    this.blanks = OnePartition.from({ length: messages.length }, (_, at) => (at === 0 ? first : blank));
  }

  [Symbol.dispose](): void {
    pending.delete(this.#token);
  }
}

/** The records that stand for a batch of blanks; the batch itself for any other. */
export function realRecords(batch: Buffer): Buffer {
  const token = batch.toString("latin1", TOKEN_AT, TOKEN_AT + TOKEN_BYTES);
  return pending.get(token) ?? batch;
}

/**
 * kafkajs groups messages by partition with `reduce`, copying the group for each message: half a million copies for a
 * thousand. These are all of one partition.
 */
class OnePartition extends Array<Blank> {
  override reduce<R>(_add: unknown, groups?: R): R {
    return { ...groups, [this[0]?.partition ?? 0]: this } as R;
  }
}

export function encodeRecords(messages: readonly Outgoing[]): Buffer {
  const out = Buffer.allocUnsafe(messages.reduce((sum, message) => sum + roomFor(message), 0));
  let end = 0;
  for (const [at, message] of messages.entries()) end = writeRecord(out, end, { message, offsetDelta: at });
  return out.subarray(0, end);
}

/** No less than the record takes. */
function roomFor({ key, value, headers = {} }: Outgoing): number {
  let bytes = 6 * VARINT_BYTES + 3 * key.length + lengthOf(value);
  for (const name in headers) bytes += 2 * VARINT_BYTES + 3 * (name.length + (headers[name] as string).length);
  return bytes;
}

function writeRecord(out: Buffer, start: number, record: { message: Outgoing; offsetDelta: number }): number {
  const { key, value, headers = {} } = record.message;
  // The length stands first and is known last: room is left for the longest, and the body moved up to it.
  const body = start + VARINT_BYTES;
  let at = body;
  out[at++] = 0; // attributes
  out[at++] = 0; // time: the log's own counts
  at = writeVarint(out, at, record.offsetDelta);
  at = writeText(out, at, key);
  if (value === null) at = writeVarint(out, at, NO_LENGTH);
  else if (typeof value === "string") at = writeText(out, at, value);
  else {
    at = writeVarint(out, at, value.length);
    value.copy(out, at);
    at += value.length;
  }
  let names = 0;
  for (const _ in headers) names++;
  at = writeVarint(out, at, names);
  for (const name in headers) {
    at = writeText(out, at, name);
    at = writeText(out, at, headers[name] as string);
  }
  const from = writeVarint(out, start, at - body);
  out.copyWithin(from, body, at);
  return from + at - body;
}

/** Its bytes with their length before them; keys and headers are short, and nearly always ASCII. */
function writeText(out: Buffer, at: number, text: string): number {
  const short = text.length <= SHORT;
  const length = short ? out.write(text, at + 1) : Buffer.byteLength(text);
  if (short && length <= SHORT) {
    out[at] = length << 1;
    return at + 1 + length;
  }
  const from = writeVarint(out, at, length);
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

function lengthOf(value: Buffer | string | null): number {
  if (value === null) return 0;
  return typeof value === "string" ? 3 * value.length : value.length;
}
