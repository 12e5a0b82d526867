/** One entry of `g` as it grows: a time vector and one column of JSON texts per signal. */

/** Digits of a time in milliseconds: an upper bound for any distance to t0. */
const TIME_BYTES = 16;
/** `{"t":[],"s":{},"q":{}},` and per signal twice the quotes, colons, commas and brackets. */
const GROUP_BYTES = 24;
const COLUMN_BYTES = 12;

export class GroupText {
  readonly #columns: readonly { readonly name: string; readonly values: string[]; letters: string }[];
  /** Milliseconds, each next to the one before; the first is placed when t0 is known. */
  #deltas = "";
  firstMs = 0;
  lastMs = 0;

  constructor(names: readonly string[]) {
    this.#columns = names.map((name) => ({ name, values: [], letters: "" }));
  }

  /** Upper bound of what opening a group for these signals adds. */
  static openingBytes(names: readonly string[]): number {
    let bytes = GROUP_BYTES + TIME_BYTES;
    for (const name of names) bytes += 2 * Buffer.byteLength(JSON.stringify(name)) + COLUMN_BYTES;
    return bytes;
  }

  /** Upper bound of what one more row adds: values with comma and quality letter each, and the distance in time. */
  static rowBytes(values: readonly string[], deltaMs: number): number {
    let bytes = String(deltaMs).length + 1;
    for (const value of values) bytes += Buffer.byteLength(value) + 2;
    return bytes;
  }

  /** `values` (JSON texts) and `letters` are parallel to the names; `tMs` is not before the last. */
  add(tMs: number, values: readonly string[], letters: readonly string[]): void {
    const first = this.#columns[0]?.values.length === 0;
    if (first) this.firstMs = tMs;
    else this.#deltas += `,${tMs - this.lastMs}`;
    this.lastMs = tMs;
    for (const [index, column] of this.#columns.entries()) {
      column.values.push(values[index] ?? "null");
      column.letters += letters[index] ?? "b";
    }
  }

  text(t0: number): string {
    const columns = this.#columns.map(({ name, values }) => `${JSON.stringify(name)}:[${values.join(",")}]`);
    const spoilt = this.#columns.filter(({ letters }) => /[^g]/.test(letters));
    const quality = spoilt.map(({ name, letters }) => `${JSON.stringify(name)}:"${letters}"`);
    const q = quality.length === 0 ? "" : `,"q":{${quality.join(",")}}`;
    return `{"t":[${this.firstMs - t0}${this.#deltas}],"s":{${columns.join(",")}}${q}}`;
  }
}
