/**
 * Writes the datagrams of the fast path (layout: datagram.ts). On the field thread's hot path: no allocation for a
 * datagram without a key.
 *
 * What an f64 cannot carry: text that is no enumeration is left out of the datagram; a decimal string of an integer
 * beyond 2^53 goes as the nearest f64; booleans are 1 and 0.
 */
import { BAD, type Batch, GOOD, type Quality, type Value } from "../../core/sample.ts";
import type { SignalEntry } from "../../core/signals.ts";
import {
  AUTHENTICATED,
  authenticator,
  CLOCK_SYNCED,
  ENTRY_BYTES,
  type FastPathKey,
  gatewayHash,
  HEADER_BYTES,
  HMAC_BYTES,
  MAGIC,
  MAX_DATAGRAM_BYTES,
  PART_HEADER_BYTES,
  TABLE_PART,
  TWO_32,
} from "./datagram.ts";

export interface WriterOptions {
  readonly gateway: string;
  readonly boot: number;
  /** The first 4 bytes of SHA-256 of the table's JSON. */
  readonly tableHash: Uint8Array;
  readonly signals: readonly Pick<SignalEntry, "n" | "type" | "enum">[];
  readonly key?: FastPathKey;
}

/** Never carried, or the positions of an enumeration's texts; absent for all others. */
type Coding = "left-out" | ReadonlyMap<string, number>;

/** Writes one datagram after the other into the same buffer; `bytes` holds the last one until the next is begun. */
export class DatagramWriter {
  readonly bytes = Buffer.alloc(MAX_DATAGRAM_BYTES);
  /** Told in each datagram: the wall clock is known to be true. */
  clockSynced = false;
  /** Counter of the next datagram. */
  counter = 1;
  /** After `encodeBatch`: index of the batch's first entry that did not fit. */
  next = 0;
  readonly #view = new DataView(this.bytes.buffer, this.bytes.byteOffset, MAX_DATAGRAM_BYTES);
  readonly #codings: (Coding | undefined)[] = [];
  readonly #key: FastPathKey | undefined;
  readonly #flags: number;
  readonly #maxBytes: number;
  #at = HEADER_BYTES;
  #entries = 0;

  constructor(options: WriterOptions) {
    this.#key = options.key;
    this.#flags = options.key === undefined ? 0 : AUTHENTICATED;
    this.#maxBytes = MAX_DATAGRAM_BYTES - (options.key === undefined ? 0 : HMAC_BYTES);
    for (const signal of options.signals) this.#codings[signal.n] = codingOf(signal);
    const view = this.#view;
    view.setUint32(0, MAGIC, true);
    view.setUint16(6, options.key?.id ?? 0, true);
    this.bytes.set(gatewayHash(options.gateway), 8);
    view.setUint32(16, options.boot, true);
    this.bytes.set(options.tableHash.subarray(0, 4), 40);
  }

  /** How many bytes of the compressed table one datagram takes. */
  get maxPartBytes(): number {
    return this.#maxBytes - HEADER_BYTES - PART_HEADER_BYTES;
  }

  /** Encodes `batch` from entry `from` on, up to `next`; the datagram's bytes, 0 when none of these can be carried. */
  encodeBatch(batch: Batch, from: number, sendUs: number): number {
    const { numbers, values, quality } = batch;
    this.begin(batch.tUs);
    let i = from;
    for (; i < numbers.length && this.#at + ENTRY_BYTES <= this.#maxBytes; i++) {
      const n = numbers[i] as number;
      const coding = this.#codings[n];
      if (coding !== "left-out") this.add(n, quality[i] as Quality, 0, numberOf(values[i] as Value, coding));
    }
    this.next = i;
    return this.#entries === 0 ? 0 : this.end(sendUs);
  }

  /** Begins a datagram whose entries count their time from `baseUs`. */
  begin(baseUs: number): void {
    this.#at = HEADER_BYTES;
    this.#entries = 0;
    setTime(this.#view, 24, baseUs);
  }

  /** Adds an entry; `value` NaN is none, and then `good` is told as bad. At most 89 fit, 88 with a key. */
  add(n: number, quality: Quality, offsetUs: number, value: number): void {
    const view = this.#view;
    const at = this.#at;
    const none = !Number.isFinite(value);
    view.setUint16(at, n, true);
    view.setUint8(at + 2, none && quality === GOOD ? BAD : quality);
    view.setUint8(at + 3, 0);
    view.setInt32(at + 4, offsetUs, true);
    // A bad sample carries no value, whatever a driver left in it.
    view.setFloat64(at + 8, none || quality === BAD ? Number.NaN : value, true);
    this.#at = at + ENTRY_BYTES;
    this.#entries++;
  }

  /** Completes the datagram; its bytes. */
  end(sendUs: number): number {
    return this.#finish(0, sendUs);
  }

  /** Encodes one part of the compressed signal table, at most `maxPartBytes` long; the datagram's bytes. */
  encodeTablePart(slice: Uint8Array, position: { part: number; parts: number }, sendUs: number): number {
    this.begin(sendUs);
    this.#view.setUint16(HEADER_BYTES, position.part, true);
    this.#view.setUint16(HEADER_BYTES + 2, position.parts, true);
    this.bytes.set(slice, HEADER_BYTES + PART_HEADER_BYTES);
    this.#at = HEADER_BYTES + PART_HEADER_BYTES + slice.length;
    return this.#finish(TABLE_PART, sendUs);
  }

  /** A datagram that could not be sent takes its number with it: receivers see that it is missing. */
  skip(): void {
    this.counter = (this.counter + 1) % TWO_32;
  }

  #finish(kind: number, sendUs: number): number {
    const view = this.#view;
    view.setUint8(4, this.#flags | kind | (this.clockSynced ? CLOCK_SYNCED : 0));
    view.setUint8(5, this.#entries);
    view.setUint32(20, this.counter, true);
    setTime(view, 32, sendUs);
    this.skip();
    if (this.#key === undefined) return this.#at;
    this.bytes.set(authenticator(this.bytes.subarray(0, this.#at), this.#key.secret), this.#at);
    return this.#at + HMAC_BYTES;
  }
}

function codingOf(signal: Pick<SignalEntry, "type" | "enum">): Coding | undefined {
  if (signal.enum !== undefined) return new Map(signal.enum.map((text, position) => [text, position]));
  return signal.type === "string" ? "left-out" : undefined;
}

function numberOf(value: Value, positions: ReadonlyMap<string, number> | undefined): number {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  if (value === null || value === "") return Number.NaN;
  return positions === undefined ? Number(value) : (positions.get(value) ?? Number.NaN);
}

// Two halves instead of setBigUint64: no BigInt is made for each datagram.
function setTime(view: DataView, at: number, timeUs: number): void {
  view.setUint32(at, timeUs % TWO_32, true);
  view.setUint32(at + 4, timeUs / TWO_32, true);
}
