/** A page of text that is written from its start to its end, four bytes at a time where they are known beforehand. */

/**
 * Bytes behind the end of a text or number that writing it may change: they must be there, and whatever follows is
 * written after it.
 */
export const OVERHANG_BYTES = 3;

/** The same bytes as both. */
export interface Page {
  readonly bytes: Buffer;
  readonly view: DataView;
}

export function pageOf(bytes: Buffer): Page {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}

/** Text that is written again and again. */
export class Stamp {
  readonly bytes: number;
  /** Four bytes each, the last one filled up. */
  readonly #words: readonly number[];

  constructor(text: string) {
    const bytes = Buffer.from(text);
    const padded = Buffer.concat([bytes, Buffer.alloc(OVERHANG_BYTES)]);
    this.bytes = bytes.length;
    this.#words = Array.from({ length: Math.ceil(bytes.length / 4) }, (_, i) => padded.readInt32LE(4 * i));
  }

  /** Returns its end. */
  write({ view }: Page, start: number): number {
    const words = this.#words;
    for (let i = 0; i < words.length; i++) view.setInt32(start + 4 * i, words[i] as number, true);
    return start + this.bytes;
  }
}
