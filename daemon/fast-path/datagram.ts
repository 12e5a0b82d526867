/**
 * The datagram of the fast path (DESIGN §7), little-endian, at most 1,472 bytes: what one Ethernet frame carries.
 *
 *   0 `BBF1` · 4 flags · 5 entries n · 6 u16 key id · 8 gateway hash (8) · 16 u32 boot · 20 u32 counter
 *   24 u64 base time µs · 32 u64 send time µs · 40 table hash (4) · 44 zero (4)
 *   48 entries of 16: u16 signal number, u8 quality, u8 zero, i32 µs after the base time, f64 value (NaN: none)
 *      or, with flag bit 2: u16 part, u16 parts, a slice of the compressed signal table
 *   end: with flag bit 0 the first 16 bytes of HMAC-SHA-256 over everything before
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { BAD, GOOD, type Quality, STALE } from "../../core/sample.ts";

export const MAX_DATAGRAM_BYTES = 1472;
export const HEADER_BYTES = 48;
export const ENTRY_BYTES = 16;
export const HMAC_BYTES = 16;
export const PART_HEADER_BYTES = 4;
export const MAGIC = 0x31464242;
export const AUTHENTICATED = 1;
export const CLOCK_SYNCED = 2;
export const TABLE_PART = 4;
export const TWO_32 = 2 ** 32;

export interface FastPathKey {
  /** 1 to 65,535; 0 means no key. */
  readonly id: number;
  readonly secret: Uint8Array;
}

/** First 8 bytes of SHA-256 of the gateway id. */
export function gatewayHash(gateway: string): Buffer {
  return createHash("sha256").update(gateway).digest().subarray(0, 8);
}

export interface DatagramEntry {
  readonly n: number;
  readonly quality: Quality;
  /** Microseconds since 1970. */
  readonly tUs: number;
  /** Null where the datagram has NaN. */
  readonly value: number | null;
}

export interface Datagram {
  readonly authenticated: boolean;
  readonly clockSynced: boolean;
  readonly keyId: number;
  /** 16 hex digits. */
  readonly gateway: string;
  readonly boot: number;
  readonly counter: number;
  readonly baseUs: number;
  readonly sendUs: number;
  /** 8 hex digits. */
  readonly tableHash: string;
  readonly entries: readonly DatagramEntry[];
  /** A part of the signal table instead of entries; `slice` lies in the bytes that were decoded. */
  readonly table?: { readonly part: number; readonly parts: number; readonly slice: Uint8Array };
}

/** Reads a datagram; for anything else, says why not. The authenticator is not checked: see `verifyDatagram`. */
export function decodeDatagram(bytes: Uint8Array): Datagram | "too-short" | "not-ours" | "malformed" {
  if (bytes.length < HEADER_BYTES) return "too-short";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) return "not-ours";
  const flags = view.getUint8(4);
  const authenticated = (flags & AUTHENTICATED) !== 0;
  const end = bytes.length - (authenticated ? HMAC_BYTES : 0);
  const head = {
    authenticated,
    clockSynced: (flags & CLOCK_SYNCED) !== 0,
    keyId: view.getUint16(6, true),
    gateway: hex(bytes, 8, 16),
    boot: view.getUint32(16, true),
    counter: view.getUint32(20, true),
    baseUs: getTime(view, 24),
    sendUs: getTime(view, 32),
    tableHash: hex(bytes, 40, 44),
  };
  // A time that is no exact integer (after the year 2255) is garbage.
  if (!Number.isSafeInteger(head.baseUs) || !Number.isSafeInteger(head.sendUs)) return "malformed";
  if (bytes.length > MAX_DATAGRAM_BYTES) return "malformed";
  if ((flags & TABLE_PART) !== 0) {
    const table = tablePart(bytes, view, end);
    return table === undefined ? "malformed" : { ...head, entries: [], table };
  }
  const entries = decodeEntries(view, head.baseUs, end);
  return entries === undefined ? "malformed" : { ...head, entries };
}

/** True when the datagram ends in the authenticator that this secret gives. Takes the same time for every wrong one. */
export function verifyDatagram(bytes: Uint8Array, secret: Uint8Array): boolean {
  const end = bytes.length - HMAC_BYTES;
  return end >= HEADER_BYTES && timingSafeEqual(authenticator(bytes.subarray(0, end), secret), bytes.subarray(end));
}

function decodeEntries(view: DataView, baseUs: number, end: number): DatagramEntry[] | undefined {
  const count = view.getUint8(5);
  if (end !== HEADER_BYTES + count * ENTRY_BYTES) return undefined;
  const entries: DatagramEntry[] = [];
  for (let at = HEADER_BYTES; at < end; at += ENTRY_BYTES) {
    const quality = view.getUint8(at + 2);
    if (quality !== GOOD && quality !== STALE && quality !== BAD) return undefined;
    const value = view.getFloat64(at + 8, true);
    entries.push({
      n: view.getUint16(at, true),
      quality,
      tUs: baseUs + view.getInt32(at + 4, true),
      value: Number.isFinite(value) ? value : null,
    });
  }
  return entries;
}

function tablePart(bytes: Uint8Array, view: DataView, end: number): Datagram["table"] | undefined {
  const from = HEADER_BYTES + PART_HEADER_BYTES;
  if (end <= from || view.getUint8(5) !== 0) return undefined;
  const part = view.getUint16(HEADER_BYTES, true);
  const parts = view.getUint16(HEADER_BYTES + 2, true);
  return part < parts ? { part, parts, slice: bytes.subarray(from, end) } : undefined;
}

/** First 16 bytes of HMAC-SHA-256. */
export function authenticator(bytes: Uint8Array, secret: Uint8Array): Buffer {
  return createHmac("sha256", secret).update(bytes).digest().subarray(0, HMAC_BYTES);
}

function getTime(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * TWO_32 + view.getUint32(at, true);
}

function hex(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString("hex");
}
