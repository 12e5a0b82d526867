/** A packed row's bytes: core/pack-format.ts, zstd where smaller, under a checksum that every read verifies. */
import { crc32, constants as zlib } from "node:zlib";
import { BusbarError, messageOf } from "../../core/errors.ts";
import { PackSkimmer } from "../../core/pack-skimmer.ts";
import { ZstdFrames, ZstdPlains } from "../../core/zstd-frames.ts";
import type { PackedRow } from "./schema.ts";

const PLAIN = 0;
const ZSTD = 1;
/**
 * Level 1: on rows of this size level 3 saved nothing and small boards have little to spare. Its table for small rows has
 * 2^15 places, which are cleared for each: with 2^14 a row of 11 kB takes a sixth less time, and none comes out larger
 * than by a byte or two; rows of 20 to 130 kB, where it would take 2^13, come out 1 to 2 % smaller.
 */
const FRAMES = new ZstdFrames({ params: { [zlib.ZSTD_c_compressionLevel]: 1, [zlib.ZSTD_c_hashLog]: 14 } });
/** Far above what one row is ever given; a broken row cannot claim more. */
const PLAINS = new ZstdPlains(16 * 1024 * 1024);

type Unstored = Omit<PackedRow, "id" | "coding" | "crc" | "data">;

export interface Span {
  readonly samples: number;
  /** Milliseconds since 1970, rounded down. */
  readonly t0: number;
  readonly t1: number;
}

/** Number of samples and range of times in packed bytes. Throws RangeError on bytes that are not packed batches. */
export function spanOf(bytes: Uint8Array): Span {
  let samples = 0;
  let t0 = Number.POSITIVE_INFINITY;
  let t1 = Number.NEGATIVE_INFINITY;
  const skimmer = new PackSkimmer(bytes);
  while (skimmer.next()) {
    const ms = Math.floor(skimmer.tUs / 1000);
    if (!Number.isFinite(ms)) throw new RangeError("packed batch: no time");
    samples += skimmer.entries;
    if (ms < t0) t0 = ms;
    if (ms > t1) t1 = ms;
  }
  return { samples, t0, t1 };
}

/** The data lies in memory that the next call writes to. */
export function encodeRow(about: Unstored, raw: Uint8Array): Omit<PackedRow, "id"> {
  const { stream, boot, sync, t_min, t_max, samples } = about;
  const frame = FRAMES.view(raw);
  const smaller = frame.length < raw.length;
  const coding = smaller ? ZSTD : PLAIN;
  const data = smaller ? frame : raw;
  const crc = checksum({ stream, boot, sync, t_min, t_max, samples, coding, data });
  return { stream, boot, sync, t_min, t_max, samples, coding, crc, data };
}

/** The packed bytes as they were stored. Throws BusbarError STORE_CORRUPT when the row is not what was written. */
export function decodeRow(row: PackedRow): Uint8Array {
  return Buffer.from(viewRow(row));
}

/** The same in memory that the next call writes to. */
export function viewRow(row: PackedRow): Uint8Array {
  if (checksum(row) !== row.crc) throw new BusbarError("STORE_CORRUPT", `outbox row ${row.id}: checksum is wrong`);
  if (row.coding === PLAIN) return row.data;
  try {
    return PLAINS.view(row.data);
  } catch (cause) {
    throw new BusbarError("STORE_CORRUPT", `outbox row ${row.id}: ${messageOf(cause)}`, { cause });
  }
}

// The columns decide what becomes of the data, so they are under the checksum too.
function checksum(row: Omit<PackedRow, "id" | "crc">): number {
  const { stream, boot, sync, t_min, t_max, samples, coding, data } = row;
  return crc32(data, crc32(`${stream} ${boot} ${sync} ${t_min} ${t_max} ${samples} ${coding}`));
}
