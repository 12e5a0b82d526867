/** Rows that a drain reads by the thousand, as arrays of cells: for objects better-sqlite3 makes a function at each call. */
import type { Stream } from "../../core/record.ts";
import type { PackedRow, SealRow } from "./schema.ts";

export const SEAL_COLUMNS =
  "stream, epoch, seq_from, seq_to, row_from, row_to, boot, sync, sealed_ms, t_min, t_max, encoder, sums, crc";
export const PACKED_COLUMNS = "id, stream, boot, sync, t_min, t_max, samples, coding, crc, data";

/** In the order of `SEAL_COLUMNS`. */
export type SealCells = [
  ...[stream: Stream, epoch: number, seqFrom: number, seqTo: number, rowFrom: number, rowTo: number, boot: number],
  ...[sync: number, sealedMs: number, tMin: number, tMax: number, encoder: number, sums: Uint8Array, crc: number],
];
/** In the order of `PACKED_COLUMNS`. */
export type PackedCells = [
  ...[id: number, stream: Stream, boot: number, sync: number, tMin: number, tMax: number],
  ...[samples: number, coding: number, crc: number, data: Uint8Array],
];

export function sealOf(cells: SealCells): SealRow {
  const [stream, epoch, seq_from, seq_to, row_from, row_to, boot, sync, sealed_ms, t_min, t_max, encoder, sums, crc] =
    cells;
  return { stream, epoch, seq_from, seq_to, row_from, row_to, boot, sync, sealed_ms, t_min, t_max, encoder, sums, crc };
}

export function packedOf(cells: PackedCells): PackedRow {
  const [id, stream, boot, sync, t_min, t_max, samples, coding, crc, data] = cells;
  return { id, stream, boot, sync, t_min, t_max, samples, coding, crc, data };
}
