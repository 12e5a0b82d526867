/** One entry of `g` as it grows: a time vector, and for each row the first of its cells, one cell per signal. */
import type { Cells } from "./cells.ts";
import { wholeLength, writeNumber } from "./number-text.ts";
import { type Page, Stamp } from "./page.ts";

/** Digits of a time in milliseconds: an upper bound for any distance to t0. */
const TIME_BYTES = 16;
/** `{"t":[],"s":{},"q":{}},` and per signal twice the quotes, colons, commas and brackets. */
const GROUP_BYTES = 24;
const COLUMN_BYTES = 12;
const [QUOTE, COMMA, CLOSING_BRACE] = [0x22, 0x2c, 0x7d] as const;
const TIMES = new Stamp('{"t":[');
const SIGNALS = new Stamp('],"s":{');
const QUALITY = new Stamp(',"q":{');

/** The names of a group's signals, in order. */
export interface Names {
  /** Each as JSON text with its colon. */
  readonly members: readonly Stamp[];
  /** Upper bound of what opening a group for these signals adds. */
  readonly openingBytes: number;
}

export function nameStamp(name: string): Stamp {
  return new Stamp(`${JSON.stringify(name)}:`);
}

export function namesOf(members: readonly Stamp[]): Names {
  const bytes = members.reduce((sum, stamp) => sum + 2 * (stamp.bytes - 1) + COLUMN_BYTES, 0);
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
  readonly #rows = { firsts: [] as number[], count: 0 };
  /** Per row milliseconds since the row before; the first is placed when t0 is known. */
  readonly #deltas: number[] = [];
  key = "";
  firstMs = 0;
  lastMs = 0;

  /** Rows with the same `key`, which is not empty, may be added. */
  begin(key: string, names: Names): void {
    this.key = key;
    this.#names = names;
    this.#rows.count = 0;
  }

  /** A row whose cells begin at `firstCell`, parallel to the names; `tMs` is not before the last. */
  add(tMs: number, firstCell: number): void {
    const row = this.#rows.count++;
    if (row === 0) this.firstMs = tMs;
    this.#rows.firsts[row] = firstCell;
    this.#deltas[row] = row === 0 ? 0 : tMs - this.lastMs;
    this.lastMs = tMs;
  }

  /** Writes its times up to the last one, the first relative to `t0`; returns the end. */
  writeTimes(page: Page, start: number, t0: number): number {
    let at = writeNumber(page, TIMES.write(page, start), this.firstMs - t0);
    for (let row = 1; row < this.#rows.count; row++) {
      page.bytes[at++] = COMMA;
      at = writeNumber(page, at, this.#deltas[row] as number);
    }
    return at;
  }

  /** Writes the rest; returns its end. */
  writeRest(page: Page, start: number, cells: Cells): number {
    const out = page.bytes;
    let at = cells.writeColumns(page, SIGNALS.write(page, start), { names: this.#names.members, rows: this.#rows });
    out[at++] = CLOSING_BRACE;
    if (!cells.allGood) at = this.#writeQuality(page, at, cells);
    out[at++] = CLOSING_BRACE;
    return at;
  }

  /** Only for signals that are not all good. */
  #writeQuality(page: Page, start: number, cells: Cells): number {
    const out = page.bytes;
    const { members } = this.#names;
    let at = start;
    for (let column = 0; column < members.length; column++) {
      if (cells.isGood(column, this.#rows)) continue;
      if (at === start) at = QUALITY.write(page, at);
      else out[at++] = COMMA;
      at = (members[column] as Stamp).write(page, at);
      out[at++] = QUOTE;
      at = cells.writeLetters(page, at, { column, rows: this.#rows });
      out[at++] = QUOTE;
    }
    if (at > start) out[at++] = CLOSING_BRACE;
    return at;
  }
}
