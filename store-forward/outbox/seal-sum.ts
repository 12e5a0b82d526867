/** The checksum that every stored seal carries: one that rotted must not give its numbers to other samples. */
import { crc32 } from "node:zlib";
import { BusbarError } from "../../core/errors.ts";
import type { SealRow } from "./schema.ts";

/** A stored seal is not what was written. The rows around it tell what it was: mend.ts. */
export class RottedSeal extends BusbarError {
  constructor(message: string) {
    super("STORE_CORRUPT", message);
  }
}

export function sealChecksum(row: Omit<SealRow, "crc">): number {
  const { stream, epoch, seq_from, seq_to, row_from, row_to, boot, sync, sealed_ms, t_min, t_max, encoder, sums } = row;
  const numbers = [epoch, seq_from, seq_to, row_from, row_to, boot, sync, sealed_ms, t_min, t_max, encoder];
  return crc32(sums, crc32(`${stream} ${numbers.join(" ")}`));
}

export function isSound(seal: SealRow): boolean {
  return seal.sums instanceof Uint8Array && sealChecksum(seal) === seal.crc;
}

/** The seal itself. Throws RottedSeal. */
export function sound(seal: SealRow | undefined): SealRow | undefined {
  if (seal === undefined || isSound(seal)) return seal;
  throw new RottedSeal(`outbox seal ${seal.stream} ${seal.seq_from}: checksum is wrong`);
}
