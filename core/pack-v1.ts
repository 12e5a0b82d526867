/**
 * Batches as rows of outboxes hold them that were written before pack-format.ts: read, never written.
 *   u16 entries, u16 zero, f64 time (µs since 1970)
 *   per entry: u16 signal number, u8 quality, u8 type, then
 *     type 0 null -, 1 f64, 2 false -, 3 true -, 4 string (u16 bytes, UTF-8), 5 i32
 */
import { HEADER_BYTES, unknownType } from "./pack-format.ts";
import type { Quality, Value } from "./sample.ts";

const ENTRY_BYTES = 4;
const TYPE_F64 = 1;
const TYPE_STRING = 4;
const TYPE_I32 = 5;
/** Of the types that have no bytes. */
const CONSTANTS: readonly (Value | undefined)[] = [null, undefined, false, true];

const decoder = new TextDecoder();

interface Entries {
  readonly numbers: number[];
  readonly values: Value[];
  readonly quality: Quality[];
}

/** Fills in the `count` entries of the batch at `start`; returns its end. Throws RangeError on bytes that are none. */
export function readV1(view: DataView, start: number, { numbers, values, quality }: Entries, count: number): number {
  let at = start + HEADER_BYTES;
  for (let i = 0; i < count; i++) {
    numbers[i] = view.getUint16(at, true);
    quality[i] = view.getUint8(at + 2) as Quality;
    const end = endOf(view, at);
    values[i] = valueAt(view, at + ENTRY_BYTES, { type: view.getUint8(at + 3), end });
    at = end;
  }
  return at;
}

/** The end of the batch of `count` entries at `start`. Throws RangeError on bytes that are none. */
export function passV1(view: DataView, start: number, count: number): number {
  let at = start + HEADER_BYTES;
  for (let i = 0; i < count; i++) at = endOf(view, at);
  return at;
}

/** Where the entry at `at` ends. */
function endOf(view: DataView, at: number): number {
  const type = view.getUint8(at + 3);
  const valueAt = at + ENTRY_BYTES;
  if (type === TYPE_I32) return valueAt + 4;
  if (type === TYPE_F64) return valueAt + 8;
  if (type === TYPE_STRING) return valueAt + 2 + view.getUint16(valueAt, true);
  if (CONSTANTS[type] === undefined) throw unknownType(type);
  return valueAt;
}

function valueAt(view: DataView, at: number, { type, end }: { type: number; end: number }): Value {
  if (type === TYPE_I32) return view.getInt32(at, true);
  if (type === TYPE_F64) return view.getFloat64(at, true);
  if (type !== TYPE_STRING) return CONSTANTS[type] ?? null;
  // Throws where it is cut off.
  return decoder.decode(new Uint8Array(view.buffer, view.byteOffset + at + 2, end - at - 2));
}
