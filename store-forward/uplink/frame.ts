/** How a record's bytes travel. Compression is transport (DESIGN invariant 3): it may differ between sends. */
import { zstdCompressSync } from "node:zlib";
import { compressRecord } from "../../core/record.ts";
import { birthIdOf } from "../../core/signals.ts";

export type Framing = (plain: Buffer) => Buffer;

/** Plain, or one zstd frame where that is smaller. */
export const plainFraming: Framing = compressRecord;

/** `BZ1` + the birth's id (4 bytes) + a zstd frame with the birth as raw dictionary (core/record.ts), where smaller. */
export function birthFraming(birth: Uint8Array): Framing {
  const dictionary = Buffer.from(birth);
  const head = Buffer.concat([Buffer.from("BZ1", "latin1"), Buffer.from(birthIdOf(birth), "hex")]);
  return (plain) => {
    const framed = Buffer.concat([head, zstdCompressSync(plain, { dictionary })]);
    const other = plainFraming(plain);
    return framed.length < other.length ? framed : other;
  };
}
