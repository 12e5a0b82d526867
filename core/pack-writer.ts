/** Packs batches (pack-format.ts). */
import {
  FIRST_AT,
  HEADER_BYTES,
  LISTED,
  MAX_DECIMALS,
  POWERS,
  QUALITY_SHIFT,
  TIME_AT,
  TYPE_F64,
  TYPE_FALSE,
  TYPE_NULL,
  TYPE_STRING,
  TYPE_TRUE,
  V1,
} from "./pack-format.ts";
import type { Batch, Value } from "./sample.ts";

const MAX_STRING_BYTES = 1024;
/** The most that one value can take. */
const MAX_VALUE_BYTES = 2 + MAX_STRING_BYTES;

const encoder = new TextEncoder();

/** Packs batches into a buffer of fixed size; when one does not fit the caller takes what is there and adds it again. */
export class PackWriter {
  readonly #size: number;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView<ArrayBuffer>;
  /** By signal number the decimals that a value of it had: the next one is packed alike, and looks alike to zstd. */
  readonly #decimals = new Uint8Array(2 ** 16);
  #at = 0;
  /** Where the next value belongs. */
  #valueAt = 0;
  #samples = 0;

  /** `size` in bytes; a batch larger than that is never taken. */
  constructor(size: number) {
    this.#size = size;
    this.#bytes = new Uint8Array(size);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get samples(): number {
    return this.#samples;
  }

  /** False, and nothing is in it, when the batch does not fit. */
  add({ tUs, numbers, values, quality }: Batch): boolean {
    const start = this.#at;
    const count = numbers.length;
    const first = firstOf(numbers);
    const kindsAt = start + HEADER_BYTES + (first === LISTED ? 2 * count : 0);
    this.#valueAt = kindsAt + count;
    if (this.#valueAt > this.#size) return false;
    const view = this.#view;
    view.setUint16(start, count, true);
    view.setUint16(start + FIRST_AT, first, true);
    view.setFloat64(start + TIME_AT, tUs, true);
    if (first === LISTED) {
      for (let i = 0; i < count; i++) view.setUint16(start + HEADER_BYTES + 2 * i, numbers[i] as number, true);
    }
    for (let i = 0; i < count; i++) {
      if (this.#size - this.#valueAt < MAX_VALUE_BYTES) return false;
      const value = values[i] as Value;
      const type = typeof value === "number" ? this.#number(numbers[i] as number, value) : this.#other(value);
      view.setUint8(kindsAt + i, type | ((quality[i] as number) << QUALITY_SHIFT));
    }
    this.#at = this.#valueAt;
    this.#samples += count;
    return true;
  }

  /** The packed bytes so far, to be transferred or stored; the writer starts anew. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.slice(0, this.#at);
    this.#at = 0;
    this.#samples = 0;
    return taken;
  }

  /** Returns its type. */
  #number(signal: number, value: number): number {
    const last = this.#decimals[signal] as number;
    const whole = wholeOf(value, last);
    if (whole !== undefined) return this.#whole(whole, last);
    for (let decimals = 0; decimals <= MAX_DECIMALS; decimals++) {
      const other = wholeOf(value, decimals);
      if (other === undefined) continue;
      this.#decimals[signal] = decimals;
      return this.#whole(other, decimals);
    }
    this.#view.setFloat64(this.#valueAt, value, true);
    this.#valueAt += 8;
    return TYPE_F64;
  }

  #whole(whole: number, decimals: number): number {
    this.#view.setInt32(this.#valueAt, whole, true);
    this.#valueAt += 4;
    return decimals;
  }

  /** Returns its type. */
  #other(value: Exclude<Value, number>): number {
    if (typeof value !== "string") return value === null ? TYPE_NULL : value ? TYPE_TRUE : TYPE_FALSE;
    const at = this.#valueAt + 2;
    const { written } = encoder.encodeInto(value, this.#bytes.subarray(at, at + MAX_STRING_BYTES));
    this.#view.setUint16(this.#valueAt, written, true);
    this.#valueAt = at + written;
    return TYPE_STRING;
  }
}

/** What stands in the header for these signal numbers. */
function firstOf(numbers: readonly number[]): number {
  const first = numbers[0];
  if (first === undefined) return V1;
  if (first === V1 || first === LISTED) return LISTED;
  for (let i = 1; i < numbers.length; i++) if (numbers[i] !== first + i) return LISTED;
  return first;
}

/** The whole number of 32 bits that gives exactly this value when it is divided by 10 to the power of `decimals`. */
function wholeOf(value: number, decimals: number): number | undefined {
  const power = POWERS[decimals] as number;
  const scaled = value * power;
  // Whatever does not fit comes out as another number, which the division shows; all but -0.
  const whole = (scaled + (scaled < 0 ? -0.5 : 0.5)) | 0;
  if (whole / power !== value || (whole === 0 && Object.is(value, -0))) return undefined;
  return whole;
}
