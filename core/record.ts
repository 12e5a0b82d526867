/**
 * The record (DESIGN §6): one immutable JSON message of one asset and one stream, `crc` always last, CRC-32 over all
 * bytes before `,"crc"`. On the wire it is that JSON, a zstd frame of it, or `BZ1` + birth id (4 bytes) + a zstd frame
 * with the birth payload as raw dictionary.
 */
import { crc32, zstdDecompressSync } from "node:zlib";
import { BusbarError } from "./errors.ts";
import { ZstdFrames } from "./zstd-frames.ts";

export const STREAMS = ["c", "t", "b"] as const;
/** Critical, telemetry, bulk. */
export type Stream = (typeof STREAMS)[number];
export type RecordKind = "data" | "gap" | "time" | "event" | "session";

export interface RecordHeader {
  readonly k: RecordKind;
  readonly gw: string;
  readonly asset?: string;
  readonly epoch: string;
  readonly c: Stream;
  readonly seq: number;
  readonly boot: number;
  readonly sync: boolean;
  readonly birth: string;
  /** Milliseconds since 1970. */
  readonly t0: number;
}

/** Signals that were read together: milliseconds, the first relative to `t0`, each next to the one before. */
export interface Group {
  readonly t: readonly number[];
  readonly s: Readonly<Record<string, readonly unknown[]>>;
  /** One letter per entry, only for signals that are not all good. */
  readonly q?: Readonly<Record<string, string>>;
}

export interface Gap {
  readonly c: Stream;
  readonly epoch: string;
  readonly from: number | null;
  readonly to: number | null;
  readonly samples: number | null;
  readonly reason: "full" | "expired" | "corrupt" | "overload" | "rejected";
  readonly t0: number;
  readonly t1: number;
}

export type BusbarRecord = RecordHeader & {
  readonly v: 1;
  readonly g?: readonly Group[];
  readonly gap?: Gap;
  readonly time?: { readonly boot: number; readonly offset_ms: number };
  readonly event?: Readonly<Record<string, unknown>>;
  readonly session?: Readonly<Record<string, unknown>>;
  readonly crc: string;
};

const CRC_TAIL_BYTES = 18;
const CRC_HEAD = Buffer.from(',"crc":"');
const CRC_END = Buffer.from('"}');
const CRC_TAIL = Buffer.alloc(CRC_TAIL_BYTES);
const HEX_DIGITS = Buffer.from("0123456789abcdef");
/**
 * The last member depends on the CRC of what stands before it, digit by digit, and CRC-32 is linear: what each digit
 * changes of the whole's is independent of the others.
 */
const CRC_OF_WHOLE_ZERO = crcWithTail(0);
const CRC_OF_WHOLE = Int32Array.from({ length: 128 }, (_, i) => {
  return crcWithTail(((i & 0xf) << (4 * (i >>> 4))) >>> 0) ^ CRC_OF_WHOLE_ZERO;
});
const ZSTD_MAGIC = 0xfd2fb528;
const BZ1_MAGIC = "BZ1";
const FRAMES = new ZstdFrames();
/** No record is larger; a frame that would unpack to more is refused. */
const MAX_RECORD_BYTES = 1 << 20;

/** The record's bytes. `body` is its last member as JSON text without braces, such as `"g":[…]`. */
export function sealRecord(header: RecordHeader, body: string): Buffer {
  const text = recordHead(header) + body;
  const length = Buffer.byteLength(text);
  const bytes = Buffer.alloc(length + CRC_TAIL_BYTES);
  bytes.write(text, 0);
  closeRecord(bytes, 0, length);
  return bytes;
}

/** What a record begins with: its members before the body, as JSON text. */
export function recordHead(header: RecordHeader): string {
  return `${headToSeq(header)}${header.seq}${headFromBoot(header)}${header.t0},`;
}

/** Of that, what stands before the value of `seq`: the same for all records of an asset and stream. */
export function headToSeq({
  k,
  gw,
  asset,
  epoch,
  c,
}: Pick<RecordHeader, "k" | "gw" | "asset" | "epoch" | "c">): string {
  const named = asset === undefined ? "" : `,"asset":${JSON.stringify(asset)}`;
  return `{"v":1,"k":"${k}","gw":"${gw}"${named},"epoch":"${epoch}","c":"${c}","seq":`;
}

/** What stands between the values of `seq` and `t0`: the same for all records of a boot. */
export function headFromBoot({ boot, sync, birth }: Pick<RecordHeader, "boot" | "sync" | "birth">): string {
  return `,"boot":${boot},"sync":${sync},"birth":"${birth}","t0":`;
}

/** Writes the checksum of the bytes `from` to `to` behind them; returns the record's end. */
export function closeRecord(bytes: Buffer, from: number, to: number): number {
  return writeCrc(bytes, to, crc32(bytes.subarray(from, to)));
}

/** Writes a record's last member, `crc` being that of all bytes before; returns the record's end. */
export function writeCrc(bytes: Buffer, at: number, crc: number): number {
  let end = at;
  for (let i = 0; i < CRC_HEAD.length; i++) bytes[end++] = CRC_HEAD[i] as number;
  for (let shift = 28; shift >= 0; shift -= 4) bytes[end++] = HEX_DIGITS[(crc >>> shift) & 0xf] as number;
  for (let i = 0; i < CRC_END.length; i++) bytes[end++] = CRC_END[i] as number;
  return end;
}

/** CRC-32 of a record, `crc` being that of all bytes before the last member. */
export function crcOfWhole(crc: number): number {
  let whole = CRC_OF_WHOLE_ZERO;
  for (let digit = 0; digit < 8; digit++) {
    whole ^= CRC_OF_WHOLE[16 * digit + ((crc >>> (4 * digit)) & 0xf)] as number;
  }
  return whole >>> 0;
}

function crcWithTail(crc: number): number {
  writeCrc(CRC_TAIL, 0, crc);
  return crc32(CRC_TAIL, crc);
}

/** True when the bytes end in a `crc` that matches all before it. */
export function crcHolds(plain: Uint8Array): boolean {
  const at = plain.length - CRC_TAIL_BYTES;
  if (at <= 0) return false;
  writeCrc(CRC_TAIL, 0, crc32(plain.subarray(0, at)));
  for (let i = 0; i < CRC_TAIL_BYTES; i++) if (plain[at + i] !== CRC_TAIL[i]) return false;
  return true;
}

/** One zstd frame where that is smaller, else the bytes as they are. */
export function compressRecord(plain: Buffer): Buffer {
  const frame = FRAMES.compress(plain);
  return frame.length < plain.length ? frame : plain;
}

/**
 * The plain JSON bytes of a payload as it arrived. `birthOf` finds a birth payload by id, for BZ1 frames.
 * Throws BusbarError RECORD_INVALID.
 */
export function plainRecord(payload: Uint8Array, birthOf?: (id: string) => Uint8Array | undefined): Buffer {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (bytes.length >= 4 && bytes.readUInt32LE(0) === ZSTD_MAGIC) return decompress(bytes, undefined);
  if (bytes.subarray(0, 3).toString("latin1") !== BZ1_MAGIC) return bytes;
  const id = bytes.subarray(3, 7).toString("hex");
  const dictionary = birthOf?.(id);
  if (dictionary === undefined) throw new BusbarError("RECORD_INVALID", `record needs birth ${id}, which is not known`);
  return decompress(bytes.subarray(7), dictionary);
}

/** Checks CRC and shape. Throws BusbarError RECORD_CRC or RECORD_INVALID. */
export function parseRecord(plain: Uint8Array): BusbarRecord {
  if (!crcHolds(plain)) throw new BusbarError("RECORD_CRC", "record: crc missing or wrong");
  let record: BusbarRecord;
  try {
    record = JSON.parse(Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength).toString("utf8")) as BusbarRecord;
  } catch (cause) {
    throw new BusbarError("RECORD_INVALID", "record: not JSON", { cause });
  }
  if (record.v !== 1 || !STREAMS.includes(record.c) || !Number.isSafeInteger(record.seq)) {
    throw new BusbarError("RECORD_INVALID", `record: version ${String(record.v)}, stream ${String(record.c)}`);
  }
  return record;
}

function decompress(frame: Uint8Array, dictionary: Uint8Array | undefined): Buffer {
  try {
    const limit = { maxOutputLength: MAX_RECORD_BYTES };
    return zstdDecompressSync(frame, dictionary === undefined ? limit : { ...limit, dictionary });
  } catch (cause) {
    throw new BusbarError("RECORD_INVALID", "record: broken zstd frame", { cause });
  }
}
