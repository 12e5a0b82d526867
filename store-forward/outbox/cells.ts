/** The JSON texts of values in one growing buffer, found again by their number. */
import { BAD, GOOD, QUALITY_LETTERS, type Quality, type Value } from "../../core/sample.ts";
import { MAX_NUMBER_BYTES, writeNumber } from "./number-text.ts";

const FIRST_BYTES = 64 * 1024;
const FIRST_CELLS = 8 * 1024;
const COMMA = 0x2c;
const LETTERS = QUALITY_LETTERS.map((letter) => letter.charCodeAt(0));
const [GOOD_LETTER, , BAD_LETTER] = LETTERS as [number, number, number];

/** One signal's cells in a group: per row the number of the row's first cell, and which one after that. */
export interface Column {
  readonly firsts: readonly number[];
  readonly rows: number;
  readonly column: number;
}

export class Cells {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  /** Cell i goes from #ends[i] to #ends[i + 1]. */
  #ends = new Int32Array(FIRST_CELLS);
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
    this.#allGood = true;
  }

  /** The one at `index` of both: a number that was handed over by itself would be made an object first. */
  add(values: readonly Value[], qualities: readonly Quality[], index: number): void {
    if (this.#count + 1 === this.#ends.length) this.#growCells();
    const from = this.#ends[this.#count] as number;
    if (this.#bytes.length - from < MAX_NUMBER_BYTES) this.#growBytes(MAX_NUMBER_BYTES);
    const value = values[index];
    const quality = qualities[index] ?? BAD;
    if (quality !== GOOD) this.#allGood = false;
    this.#letters[this.#count] = LETTERS[quality] ?? BAD_LETTER;
    this.#count++;
    this.#ends[this.#count] =
      typeof value === "number" ? writeNumber(this.#bytes, from, value) : this.#text(from, value ?? null);
  }

  /** Bytes of the texts of `count` cells. */
  bytesOf(first: number, count: number): number {
    return (this.#ends[first + count] as number) - (this.#ends[first] as number);
  }

  /** Writes the column's cells with commas between; returns the end. */
  writeColumn(out: Buffer, start: number, { firsts, rows, column }: Column): number {
    const [bytes, ends] = [this.#bytes, this.#ends];
    let at = start;
    for (let row = 0; row < rows; row++) {
      if (row > 0) out[at++] = COMMA;
      const cell = (firsts[row] as number) + column;
      const end = ends[cell + 1] as number;
      for (let from = ends[cell] as number; from < end; from++) out[at++] = bytes[from] as number;
    }
    return at;
  }

  /** The same for the letters of their quality, without commas. */
  writeLetters(out: Buffer, start: number, { firsts, rows, column }: Column): number {
    for (let row = 0; row < rows; row++) out[start + row] = this.#letters[(firsts[row] as number) + column] as number;
    return start + rows;
  }

  isGood({ firsts, rows, column }: Column): boolean {
    for (let row = 0; row < rows; row++) {
      if (this.#letters[(firsts[row] as number) + column] !== GOOD_LETTER) return false;
    }
    return true;
  }

  #text(from: number, value: Exclude<Value, number>): number {
    const text = JSON.stringify(value);
    // UTF-8 takes at most three bytes for each code unit.
    if (this.#bytes.length - from < 3 * text.length) this.#growBytes(3 * text.length);
    return from + this.#bytes.write(text, from);
  }

  #growBytes(least: number): void {
    const grown = Buffer.allocUnsafe(2 * this.#bytes.length + least);
    this.#bytes.copy(grown);
    this.#bytes = grown;
  }

  #growCells(): void {
    const [ends, letters] = [new Int32Array(2 * this.#ends.length), new Uint8Array(2 * this.#ends.length)];
    ends.set(this.#ends);
    letters.set(this.#letters);
    this.#ends = ends;
    this.#letters = letters;
  }
}
