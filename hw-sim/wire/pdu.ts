/** The part of Modbus that TCP and RTU share: a request's function and what a unit answers (MODBUS Application Protocol V1.1b3). */
import type { Signals, Unit } from "../devices/device.ts";

const READ_HOLDING = 3;
const READ_INPUT = 4;
const ILLEGAL_FUNCTION = 1;
const ILLEGAL_ADDRESS = 2;
const ILLEGAL_VALUE = 3;
/** V1.1b3 6.3, 6.4 */
const MAX_WORDS = 125;
const REQUEST_BYTES = 5;

export interface Reply {
  readonly pdu: Uint8Array;
  /** Undefined: an exception, which serves no values. */
  readonly signals: Signals | undefined;
}

/** What the unit answers. Nothing can be written: every other function is refused with exception 1. */
export function answer(unit: Unit, request: Uint8Array): Reply {
  const fc = request[0] ?? 0;
  if (fc !== READ_HOLDING && fc !== READ_INPUT) return exception(fc, ILLEGAL_FUNCTION);
  if (request.length !== REQUEST_BYTES) return exception(fc, ILLEGAL_VALUE);
  const view = new DataView(request.buffer, request.byteOffset, request.length);
  const at = view.getUint16(1);
  const count = view.getUint16(3);
  if (count === 0 || count > MAX_WORDS) return exception(fc, ILLEGAL_VALUE);
  const words = unit.read(fc, at, count);
  if (words === undefined) return exception(fc, ILLEGAL_ADDRESS);
  const pdu = new Uint8Array(2 + words.bytes.length);
  pdu[0] = fc;
  pdu[1] = words.bytes.length;
  pdu.set(words.bytes, 2);
  return { pdu, signals: words.signals };
}

function exception(fc: number, code: number): Reply {
  return { pdu: Uint8Array.of((fc | 0x80) & 0xff, code), signals: undefined };
}
