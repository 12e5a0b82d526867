/** Reads packed batches (pack-format.ts). */
import {
  constantOf,
  cutOff,
  FIRST_AT,
  HEADER_BYTES,
  kindsAt,
  LISTED,
  MAX_DECIMALS,
  POWERS,
  QUALITY_SHIFT,
  TIME_AT,
  TYPE_F64,
  TYPE_MASK,
  TYPE_STRING,
  V1,
} from "./pack-format.ts";
import { readV1 } from "./pack-v1.ts";
import { type Batch, GOOD, type Quality, type Value } from "./sample.ts";

const decoder = new TextDecoder();

/** Reads packed bytes into one batch again and again: whoever rebuilds what an outage left reads millions. */
export class PackReader {
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #at = 0;
  /** Of the batch that `nextOf` read, microseconds since 1970. */
  tUs = 0;
  readonly #batch = { tUs: 0, numbers: [] as number[], values: [] as Value[], quality: [] as Quality[] };

  /** The next batch is the first of these bytes. */
  begin(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = 0;
  }

  /** There are no more batches. */
  get atEnd(): boolean {
    return this.#at >= this.#bytes.byteLength;
  }

  /** The first signal number of the next batch, 0 if it has none. Throws RangeError on bytes that are no packed batch. */
  get first(): number {
    if (this.#view.getUint16(this.#at, true) === 0) return 0;
    const first = this.#view.getUint16(this.#at + FIRST_AT, true);
    return first === V1 || first === LISTED ? this.#view.getUint16(this.#at + HEADER_BYTES, true) : first;
  }

  /**
   * Puts the next batch's values into `values`, and its time into `tUs`, if all of them are good numbers of just these
   * signals; else false, and it is still the next. Throws RangeError as `next` does.
   */
  nextOf(numbers: readonly number[], values: Float64Array): boolean {
    const view = this.#view;
    const count = numbers.length;
    const start = this.#at;
    if (view.getUint16(start, true) !== count || !this.#isOf(numbers)) return false;
    let kindAt = this.#kindsAt(count);
    let at = kindAt + count;
    for (let i = 0; i < count; i++) {
      // The quality stands above the type, and GOOD is 0.
      const kind = view.getUint8(kindAt++);
      if (kind <= MAX_DECIMALS) {
        values[i] = view.getInt32(at, true) / (POWERS[kind] as number);
        at += 4;
      } else if (kind === TYPE_F64) {
        values[i] = view.getFloat64(at, true);
        at += 8;
      } else return false;
    }
    this.tUs = view.getFloat64(start + TIME_AT, true);
    this.#at = at;
    return true;
  }

  /** Valid until it is called again; undefined: there are no more. Throws RangeError on bytes that are no packed batch. */
  next(): Batch | undefined {
    if (this.#at >= this.#bytes.byteLength) return undefined;
    const view = this.#view;
    const batch = this.#batch;
    const { numbers, values, quality } = batch;
    const count = view.getUint16(this.#at, true);
    const first = view.getUint16(this.#at + FIRST_AT, true);
    batch.tUs = view.getFloat64(this.#at + TIME_AT, true);
    // Never longer than filled: an array with holes costs an object for each number that is taken from it.
    if (numbers.length > count) numbers.length = values.length = quality.length = count;
    // Grown beforehand: one place that fills and grows would look each time which it is to do.
    while (numbers.length < count) this.#grow();
    if (first === V1) {
      this.#at = readV1(view, this.#at, batch, count);
      return batch;
    }
    for (let i = 0; i < count; i++) {
      numbers[i] = first === LISTED ? view.getUint16(this.#at + HEADER_BYTES + 2 * i, true) : first + i;
    }
    this.#at = this.#values(this.#kindsAt(count), count);
    return batch;
  }

  /** Puts values and qualities into the batch; returns their end. */
  #values(kindsAt: number, count: number): number {
    const view = this.#view;
    const { values, quality } = this.#batch;
    let at = kindsAt + count;
    for (let i = 0; i < count; i++) {
      const kind = view.getUint8(kindsAt + i);
      const type = kind & TYPE_MASK;
      quality[i] = (kind >>> QUALITY_SHIFT) as Quality;
      if (type <= MAX_DECIMALS) {
        values[i] = view.getInt32(at, true) / (POWERS[type] as number);
        at += 4;
      } else if (type === TYPE_F64) {
        values[i] = view.getFloat64(at, true);
        at += 8;
      } else if (type === TYPE_STRING) {
        const end = at + 2 + view.getUint16(at, true);
        if (end > view.byteLength) throw cutOff();
        values[i] = decoder.decode(this.#bytes.subarray(at + 2, end));
        at = end;
      } else values[i] = constantOf(type);
    }
    return at;
  }

  /** The next batch, which has as many entries, is of these signals. */
  #isOf(numbers: readonly number[]): boolean {
    const first = this.#view.getUint16(this.#at + FIRST_AT, true);
    if (first === V1) return false;
    for (let i = 0; i < numbers.length; i++) {
      const number = first === LISTED ? this.#view.getUint16(this.#at + HEADER_BYTES + 2 * i, true) : first + i;
      if (number !== numbers[i]) return false;
    }
    return true;
  }

  #kindsAt(count: number): number {
    return kindsAt(this.#view, this.#at, count);
  }

  #grow(): void {
    const { numbers, values, quality } = this.#batch;
    numbers.push(0);
    values.push(0);
    quality.push(GOOD);
  }
}

/** The batches of packed rows, each valid until the next is taken. Throws RangeError on bytes that are none. */
export class PackedBatches implements Iterable<Batch> {
  readonly #rows: Iterator<Uint8Array>;
  readonly #reader = new PackReader();

  constructor(rows: Iterable<Uint8Array>) {
    this.#rows = rows[Symbol.iterator]();
  }

  /** Its next batch is the next of all; undefined: there are no more. */
  reader(): PackReader | undefined {
    while (this.#reader.atEnd) {
      const row = this.#rows.next();
      if (row.done === true) return undefined;
      this.#reader.begin(row.value);
    }
    return this.#reader;
  }

  *[Symbol.iterator](): Generator<Batch, void, void> {
    for (let batch = this.reader()?.next(); batch !== undefined; batch = this.reader()?.next()) yield batch;
  }
}
