/**
 * Values as they will stand in JSON, found again by their number. A short number is kept as one and becomes text where it
 * belongs; all others are kept as text.
 */
import { BAD, type Batch, GOOD, QUALITY_LETTERS, type Value } from "../../core/sample.ts";
import { MAX_NUMBER_BYTES, NOT_SHORT, shortLength, shortOf, writeNumber, writeShort } from "./number-text.ts";
import { type Page, pageOf, type Stamp } from "./page.ts";

const FIRST_BYTES = 16 * 1024;
const FIRST_CELLS = 8 * 1024;
const [COMMA, OPENING_BRACKET, CLOSING_BRACKET] = [0x2c, 0x5b, 0x5d] as const;
const LETTERS = QUALITY_LETTERS.map((letter) => letter.charCodeAt(0));
const [GOOD_LETTER, , BAD_LETTER] = LETTERS as [number, number, number];

/** The rows of a group: the number of the first cell of each, one cell per signal. */
export interface Rows {
  readonly firsts: readonly number[];
  readonly count: number;
}

export class Cells {
  /** Of values that are no short numbers. */
  #texts = pageOf(Buffer.allocUnsafeSlow(FIRST_BYTES));
  #textBytes = 0;
  /** Per cell the short number, else NOT_SHORT, and then where its text begins. */
  #shorts = new Int32Array(FIRST_CELLS);
  #starts = new Int32Array(FIRST_CELLS);
  /** The texts of cells before i have #ends[i] bytes. */
  #ends = new Int32Array(FIRST_CELLS);
  /** Once one is not good. */
  #letters = new Uint8Array(FIRST_CELLS);
  #count = 0;
  #allGood = true;

  /** No cell is stale or bad. */
  get allGood(): boolean {
    return this.#allGood;
  }

  /** The number of the next cell. */
  get next(): number {
    return this.#count;
  }

  clear(): void {
    this.#count = 0;
    this.#textBytes = 0;
    this.#allGood = true;
  }

  /** A cell for each of the samples at `indices`. */
  add({ values, quality: qualities }: Batch, indices: readonly number[]): void {
    while (this.#count + indices.length >= this.#ends.length) this.#growCells();
    const shorts = this.#shorts;
    const ends = this.#ends;
    const letters = this.#letters;
    let cell = this.#count;
    let end = ends[cell] as number;
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i] as number;
      const value = values[index];
      const quality = qualities[index] ?? BAD;
      if (quality !== GOOD) this.#notAllGood(cell);
      if (!this.#allGood) letters[cell] = LETTERS[quality] ?? BAD_LETTER;
      const short = typeof value === "number" ? shortOf(value) : NOT_SHORT;
      shorts[cell] = short;
      end += short === NOT_SHORT ? this.#text(cell, value ?? null) : shortLength(short);
      ends[++cell] = end;
    }
    this.#count = cell;
  }

  /** A cell for each of the first `count` values, all of them good. */
  addGood(values: Float64Array, count: number): void {
    while (this.#count + count >= this.#ends.length) this.#growCells();
    const shorts = this.#shorts;
    const ends = this.#ends;
    let cell = this.#count;
    if (!this.#allGood) this.#letters.fill(GOOD_LETTER, cell, cell + count);
    let end = ends[cell] as number;
    for (let i = 0; i < count; i++) {
      const value = values[i] as number;
      const short = shortOf(value);
      shorts[cell] = short;
      end += short === NOT_SHORT ? this.#text(cell, value) : shortLength(short);
      ends[++cell] = end;
    }
    this.#count = cell;
  }

  /** Bytes of the texts of `count` cells. */
  bytesOf(first: number, count: number): number {
    return (this.#ends[first + count] as number) - (this.#ends[first] as number);
  }

  /** Writes `"name":[…]` for each of the names, with its cell of each row; returns the end. */
  writeColumns(page: Page, start: number, { names, rows }: { names: readonly Stamp[]; rows: Rows }): number {
    const { bytes, view } = page;
    const { firsts, count } = rows;
    const shorts = this.#shorts;
    let at = start;
    for (let column = 0; column < names.length; column++) {
      if (column > 0) bytes[at++] = COMMA;
      at = (names[column] as Stamp).write(page, at);
      bytes[at++] = OPENING_BRACKET;
      for (let row = 0; row < count; row++) {
        if (row > 0) bytes[at++] = COMMA;
        const cell = (firsts[row] as number) + column;
        const short = shorts[cell] as number;
        if (short === NOT_SHORT) at = this.#writeText(bytes, at, cell);
        else at = writeShort(view, at, short);
      }
      bytes[at++] = CLOSING_BRACKET;
    }
    return at;
  }

  /** Writes the quality of one column, a letter per row; returns the end. */
  writeLetters({ bytes }: Page, start: number, { column, rows }: { column: number; rows: Rows }): number {
    const { firsts, count } = rows;
    for (let row = 0; row < count; row++) {
      bytes[start + row] = this.#letters[(firsts[row] as number) + column] as number;
    }
    return start + count;
  }

  isGood(column: number, { firsts, count }: Rows): boolean {
    for (let row = 0; row < count; row++) {
      if (this.#letters[(firsts[row] as number) + column] !== GOOD_LETTER) return false;
    }
    return true;
  }

  /** Keeps it as text; returns its length. */
  #text(cell: number, value: Value): number {
    const from = this.#textBytes;
    this.#starts[cell] = from;
    if (typeof value === "number") {
      this.#growTexts(MAX_NUMBER_BYTES);
      this.#textBytes = writeNumber(this.#texts, from, value);
    } else {
      const text = JSON.stringify(value);
      // UTF-8 takes at most three bytes for each code unit.
      this.#growTexts(3 * text.length);
      this.#textBytes = from + this.#texts.bytes.write(text, from);
    }
    return this.#textBytes - from;
  }

  #writeText(out: Buffer, start: number, cell: number): number {
    const { bytes } = this.#texts;
    const from = this.#starts[cell] as number;
    const length = (this.#ends[cell + 1] as number) - (this.#ends[cell] as number);
    for (let i = 0; i < length; i++) out[start + i] = bytes[from + i] as number;
    return start + length;
  }

  /** From `cell` on every cell's letter is written; those before it are good. */
  #notAllGood(cell: number): void {
    if (this.#allGood) this.#letters.fill(GOOD_LETTER, 0, cell);
    this.#allGood = false;
  }

  #growTexts(least: number): void {
    const { bytes } = this.#texts;
    if (bytes.length - this.#textBytes >= least) return;
    const grown = Buffer.allocUnsafe(2 * bytes.length + least);
    bytes.copy(grown);
    this.#texts = pageOf(grown);
  }

  #growCells(): void {
    const cells = 2 * this.#ends.length;
    this.#shorts = grown(this.#shorts, new Int32Array(cells));
    this.#starts = grown(this.#starts, new Int32Array(cells));
    this.#ends = grown(this.#ends, new Int32Array(cells));
    this.#letters = grown(this.#letters, new Uint8Array(cells));
  }
}

function grown<T extends Int32Array | Uint8Array>(from: T, into: T): T {
  into.set(from);
  return into;
}
