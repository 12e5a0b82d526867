/** One entry of `g` as it grows: a time vector, and for each row the first of its cells, one cell per signal. */
import type { Cells } from "./cells.ts";
import { wholeLength, writeNumber } from "./number-text.ts";

/** Digits of a time in milliseconds: an upper bound for any distance to t0. */
const TIME_BYTES = 16;
/** `{"t":[],"s":{},"q":{}},` and per signal twice the quotes, colons, commas and brackets. */
const GROUP_BYTES = 24;
const COLUMN_BYTES = 12;
const [QUOTE, COMMA, OPENING_BRACKET, CLOSING_BRACKET, CLOSING_BRACE] = [0x22, 0x2c, 0x5b, 0x5d, 0x7d] as const;
const TIMES = Buffer.from('{"t":[');
const SIGNALS = Buffer.from('],"s":{');
const QUALITY = Buffer.from(',"q":{');
const NEXT = Buffer.from(",");

/** The names of a group's signals, in order. */
export interface Names {
  /** Each as JSON text with its colon. */
  readonly members: readonly Uint8Array[];
  /** Upper bound of what opening a group for these signals adds. */
  readonly openingBytes: number;
}

export function namesOf(names: readonly string[]): Names {
  const members = names.map((name) => Buffer.from(`${JSON.stringify(name)}:`));
  const bytes = members.reduce((sum, { length }) => sum + 2 * (length - 1) + COLUMN_BYTES, 0);
  return { members, openingBytes: bytes + GROUP_BYTES + TIME_BYTES };
}

/** Upper bound of what one more row adds: values with comma and quality letter each, and the distance in time. */
export function rowBytes(valueBytes: number, values: number, deltaMs: number): number {
  return wholeLength(deltaMs) + 1 + valueBytes + 2 * values;
}

const NO_NAMES: Names = { members: [], openingBytes: 0 };

/** Serves for one group after the other: `begin` is the start of each. */
export class GroupText {
  #names = NO_NAMES;
  /** Per row its first cell, and milliseconds since the row before; the first is placed when t0 is known. */
  readonly #cells: number[] = [];
  readonly #deltas: number[] = [];
  #rows = 0;
  key = "";
  firstMs = 0;
  lastMs = 0;

  /** Rows with the same `key`, which is not empty, may be added. */
  begin(key: string, names: Names): void {
    this.key = key;
    this.#names = names;
    this.#rows = 0;
  }

  /** A row whose cells begin at `firstCell`, parallel to the names; `tMs` is not before the last. */
  add(tMs: number, firstCell: number): void {
    if (this.#rows === 0) this.firstMs = tMs;
    this.#cells[this.#rows] = firstCell;
    this.#deltas[this.#rows] = this.#rows === 0 ? 0 : tMs - this.lastMs;
    this.#rows++;
    this.lastMs = tMs;
  }

  /** Writes it; returns its end. */
  write(out: Buffer, start: number, { cells, t0 }: { readonly cells: Cells; readonly t0: number }): number {
    const { members } = this.#names;
    let at = writeNumber(out, put(out, start, TIMES), this.firstMs - t0);
    for (let row = 1; row < this.#rows; row++) {
      out[at++] = COMMA;
      at = writeNumber(out, at, this.#deltas[row] as number);
    }
    at = put(out, at, SIGNALS);
    for (let column = 0; column < members.length; column++) {
      if (column > 0) out[at++] = COMMA;
      at = put(out, at, members[column] as Uint8Array);
      out[at++] = OPENING_BRACKET;
      at = cells.writeColumn(out, at, { firsts: this.#cells, rows: this.#rows, column });
      out[at++] = CLOSING_BRACKET;
    }
    out[at++] = CLOSING_BRACE;
    if (!cells.allGood) at = this.#writeQuality(out, at, cells);
    out[at++] = CLOSING_BRACE;
    return at;
  }

  /** Only for signals that are not all good. */
  #writeQuality(out: Buffer, start: number, cells: Cells): number {
    const { members } = this.#names;
    let at = start;
    for (let column = 0; column < members.length; column++) {
      const place = { firsts: this.#cells, rows: this.#rows, column };
      if (cells.isGood(place)) continue;
      at = put(out, at, at === start ? QUALITY : NEXT);
      at = put(out, at, members[column] as Uint8Array);
      out[at++] = QUOTE;
      at = cells.writeLetters(out, at, place);
      out[at++] = QUOTE;
    }
    if (at > start) out[at++] = CLOSING_BRACE;
    return at;
  }
}

/** For a few bytes the call into native code would cost more than they do. */
function put(out: Buffer, start: number, bytes: Uint8Array): number {
  for (let i = 0; i < bytes.length; i++) out[start + i] = bytes[i] as number;
  return start + bytes.length;
}
