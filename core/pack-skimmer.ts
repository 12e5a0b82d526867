/** Passes over packed batches (pack-format.ts) without reading what is in them. */
import {
  constantOf,
  cutOff,
  FIRST_AT,
  kindsAt,
  MAX_DECIMALS,
  TIME_AT,
  TYPE_F64,
  TYPE_MASK,
  TYPE_STRING,
  V1,
} from "./pack-format.ts";
import { passV1 } from "./pack-v1.ts";

/** What a batch says of itself. */
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
    const start = this.#at;
    if (start >= view.byteLength) return false;
    const count = view.getUint16(start, true);
    this.tUs = view.getFloat64(start + TIME_AT, true);
    const isV1 = view.getUint16(start + FIRST_AT, true) === V1;
    const end = isV1 ? passV1(view, start, count) : this.#pass(kindsAt(view, start, count), count);
    if (end > view.byteLength) throw cutOff();
    this.entries = count;
    this.#at = end;
    return true;
  }

  #pass(kindsAt: number, count: number): number {
    const view = this.#view;
    let at = kindsAt + count;
    for (let i = 0; i < count; i++) {
      const type = view.getUint8(kindsAt + i) & TYPE_MASK;
      if (type <= MAX_DECIMALS) at += 4;
      else if (type === TYPE_F64) at += 8;
      else if (type === TYPE_STRING) at += 2 + view.getUint16(at, true);
      // Throws where there is no such type.
      else constantOf(type);
    }
    return at;
  }
}
