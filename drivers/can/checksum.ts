/** Checksums that a maker puts into its frames. */

export interface Crc8 {
  readonly table: Uint8Array;
  readonly init: number;
  /** The first so many bytes are covered. */
  readonly over: number;
  /** The byte that holds the result. */
  readonly at: number;
}

/** A CRC-8 that is neither reflected nor inverted; `polynomial` without its leading 1 (0x85). */
export function crc8(polynomial: number, init: number, over: number, at: number): Crc8 {
  const table = Uint8Array.from({ length: 256 }, (_, byte) => {
    let rest = byte;
    for (let bit = 0; bit < 8; bit++) rest = rest & 0x80 ? (rest << 1) ^ polynomial : rest << 1;
    return rest & 0xff;
  });
  return { table, init, over, at };
}

/** False also for a frame that is too short to have the checksum. */
export function holds(crc: Crc8, data: Uint8Array): boolean {
  if (data.length <= crc.at || data.length < crc.over) return false;
  let rest = crc.init;
  for (let index = 0; index < crc.over; index++) rest = crc.table[rest ^ (data[index] as number)] as number;
  return rest === data[crc.at];
}
