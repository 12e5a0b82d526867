/**
 * Batches packed into one transferable buffer: the hand-off between threads, and the content of the outbox's rows.
 *
 * Little-endian, a sequence of batches:
 *   u16 entries, u16 zero, f64 time (µs since 1970)
 *   per entry: u16 signal number, u8 quality, u8 type, then
 *     type 0 null -, 1 f64, 2 false -, 3 true -, 4 string (u16 bytes, UTF-8), 5 i32
 */
import { type Batch, GOOD, type Quality, type Value } from "./sample.ts";

const HEADER_BYTES = 12;
const TYPE_NULL = 0;
const TYPE_F64 = 1;
const TYPE_FALSE = 2;
const TYPE_TRUE = 3;
const TYPE_STRING = 4;
const TYPE_I32 = 5;
const MAX_STRING_BYTES = 1024;
/** The most that one entry can take. */
const MAX_ENTRY_BYTES = 6 + MAX_STRING_BYTES;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Packs batches into a buffer of fixed size; when one does not fit the caller takes what is there and adds it again. */
export class PackWriter {
  readonly #size: number;
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView<ArrayBuffer>;
  #at = 0;
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

  /** False, and nothing changed, when the batch does not fit. */
  add(batch: Batch): boolean {
    const start = this.#at;
    const count = batch.numbers.length;
    if (start + HEADER_BYTES > this.#size) return false;
    this.#view.setUint16(start, count, true);
    this.#view.setUint16(start + 2, 0, true);
    this.#view.setFloat64(start + 4, batch.tUs, true);
    this.#at = start + HEADER_BYTES;
    for (let i = 0; i < count; i++) {
      if (this.#size - this.#at < MAX_ENTRY_BYTES) {
        this.#at = start;
        return false;
      }
      this.#view.setUint16(this.#at, batch.numbers[i] as number, true);
      this.#view.setUint8(this.#at + 2, batch.quality[i] as number);
      this.#at += 3;
      this.#value(batch.values[i] as Value);
    }
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

  #value(value: Value): void {
    const view = this.#view;
    if (typeof value === "number") {
      const whole = (value | 0) === value && !Object.is(value, -0);
      view.setUint8(this.#at, whole ? TYPE_I32 : TYPE_F64);
      if (whole) view.setInt32(this.#at + 1, value, true);
      else view.setFloat64(this.#at + 1, value, true);
      this.#at += whole ? 5 : 9;
    } else if (typeof value === "string") {
      const { written } = encoder.encodeInto(
        value,
        this.#bytes.subarray(this.#at + 3, this.#at + 3 + MAX_STRING_BYTES),
      );
      view.setUint8(this.#at, TYPE_STRING);
      view.setUint16(this.#at + 1, written, true);
      this.#at += 3 + written;
    } else {
      view.setUint8(this.#at, value === null ? TYPE_NULL : value ? TYPE_TRUE : TYPE_FALSE);
      this.#at += 1;
    }
  }
}

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
    return this.#view.getUint16(this.#at, true) === 0 ? 0 : this.#view.getUint16(this.#at + HEADER_BYTES, true);
  }

  /**
   * Puts the next batch's values into `values`, and its time into `tUs`, if all of them are good numbers of just these
   * signals; else false, and it is still the next. Throws RangeError as `next` does.
   */
  nextOf(numbers: readonly number[], values: Float64Array): boolean {
    const view = this.#view;
    const count = numbers.length;
    let at = this.#at;
    if (view.getUint16(at, true) !== count) return false;
    at += HEADER_BYTES;
    for (let i = 0; i < count; i++) {
      const head = view.getUint32(at, true);
      const type = head >>> 24;
      // Signal number and quality at once: GOOD is 0.
      if ((head & 0xffffff) !== numbers[i]) return false;
      if (type === TYPE_F64) {
        values[i] = view.getFloat64(at + 4, true);
        at += 12;
      } else if (type === TYPE_I32) {
        values[i] = view.getInt32(at + 4, true);
        at += 8;
      } else return false;
    }
    this.tUs = view.getFloat64(this.#at + 4, true);
    this.#at = at;
    return true;
  }

  /** Valid until it is called again; undefined: there are no more. Throws RangeError on bytes that are no packed batch. */
  next(): Batch | undefined {
    if (this.#at >= this.#bytes.byteLength) return undefined;
    const view = this.#view;
    const batch = this.#batch;
    const { numbers, values, quality } = batch;
    let at = this.#at;
    const count = view.getUint16(at, true);
    batch.tUs = view.getFloat64(at + 4, true);
    at += HEADER_BYTES;
    // Never longer than filled: an array with holes costs an object for each number that is taken from it.
    if (numbers.length > count) numbers.length = values.length = quality.length = count;
    // Grown beforehand: one place that fills and grows would look each time which it is to do.
    while (numbers.length < count) this.#grow();
    for (let i = 0; i < count; i++) {
      // Signal number, quality and type in one.
      const head = view.getUint32(at, true);
      numbers[i] = head & 0xffff;
      quality[i] = ((head >>> 16) & 0xff) as Quality;
      const type = head >>> 24;
      at += 4;
      if (type === TYPE_I32) {
        values[i] = view.getInt32(at, true);
        at += 4;
      } else if (type === TYPE_F64) {
        values[i] = view.getFloat64(at, true);
        at += 8;
      } else if (type === TYPE_STRING) {
        const length = view.getUint16(at, true);
        values[i] = decoder.decode(this.#bytes.subarray(at + 2, at + 2 + length));
        at += 2 + length;
      } else values[i] = constant(type);
    }
    this.#at = at;
    return batch;
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

/** Passes over packed bytes: what a batch says of itself, without its values. */
export class PackSkimmer {
  readonly #view: DataView;
  #at = 0;
  /** Of the batch that was passed over last: microseconds since 1970, and how many samples. */
  tUs = 0;
  entries = 0;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** False: there are no more. Throws RangeError on bytes that are no packed batch. */
  next(): boolean {
    const view = this.#view;
    let at = this.#at;
    if (at >= view.byteLength) return false;
    const count = view.getUint16(at, true);
    this.tUs = view.getFloat64(at + 4, true);
    at += HEADER_BYTES;
    for (let i = 0; i < count; i++) {
      const type = view.getUint8(at + 3);
      if (type === TYPE_I32) at += 8;
      else if (type === TYPE_F64) at += 12;
      else if (type === TYPE_STRING) at += 6 + view.getUint16(at + 4, true);
      else {
        // Throws where there is no such type.
        constant(type);
        at += 4;
      }
    }
    if (at > view.byteLength) throw new RangeError("packed batch: cut off");
    this.entries = count;
    this.#at = at;
    return true;
  }
}

function constant(type: number): Value {
  switch (type) {
    case TYPE_FALSE:
    case TYPE_TRUE:
      return type === TYPE_TRUE;
    case TYPE_NULL:
      return null;
    default:
      throw new RangeError(`packed batch: value type ${type}`);
  }
}
