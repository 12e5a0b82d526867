/** One entry of `g` as it grows: a time vector, and for each row the first of its cells, one cell per signal. */
import type { Cells } from "./cells.ts";

/** Digits of a time in milliseconds: an upper bound for any distance to t0. */
const TIME_BYTES = 16;
/** `{"t":[],"s":{},"q":{}},` and per signal twice the quotes, colons, commas and brackets. */
const GROUP_BYTES = 24;
const COLUMN_BYTES = 12;
const [QUOTE, COMMA, OPENING_BRACKET, CLOSING_BRACKET, CLOSING_BRACE] = [0x22, 0x2c, 0x5b, 0x5d, 0x7d] as const;
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
  return String(deltaMs).length + 1 + valueBytes + 2 * values;
}

export class GroupText {
  readonly #names: Names;
  readonly #rows: number[] = [];
  /** Milliseconds, each next to the one before; the first is placed when t0 is known. */
  #deltas = "";
  firstMs = 0;
  lastMs = 0;

  constructor(names: Names) {
    this.#names = names;
  }

  /** A row whose cells begin at `firstCell`, parallel to the names; `tMs` is not before the last. */
  add(tMs: number, firstCell: number): void {
    if (this.#rows.length === 0) this.firstMs = tMs;
    else this.#deltas += `,${tMs - this.lastMs}`;
    this.lastMs = tMs;
    this.#rows.push(firstCell);
  }

  /** Writes it; returns its end. */
  write(out: Buffer, start: number, { cells, t0 }: { readonly cells: Cells; readonly t0: number }): number {
    const { members } = this.#names;
    let at = start + out.write(`{"t":[${this.firstMs - t0}${this.#deltas}],"s":{`, start, "latin1");
    for (let column = 0; column < members.length; column++) {
      if (column > 0) out[at++] = COMMA;
      at = put(out, at, members[column] as Uint8Array);
      out[at++] = OPENING_BRACKET;
      at = cells.writeColumn(out, at, this.#rows, column);
      out[at++] = CLOSING_BRACKET;
    }
    out[at++] = CLOSING_BRACE;
    at = this.#writeQuality(out, at, cells);
    out[at++] = CLOSING_BRACE;
    return at;
  }

  /** Only for signals that are not all good. */
  #writeQuality(out: Buffer, start: number, cells: Cells): number {
    const { members } = this.#names;
    let at = start;
    for (let column = 0; column < members.length; column++) {
      if (cells.allGood(this.#rows, column)) continue;
      at = put(out, at, at === start ? QUALITY : NEXT);
      at = put(out, at, members[column] as Uint8Array);
      out[at++] = QUOTE;
      at = cells.writeLetters(out, at, this.#rows, column);
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
