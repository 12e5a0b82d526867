/** Modbus TCP: a header of seven bytes before each PDU (MODBUS Messaging on TCP/IP V1.0b, 3.1.3). */
import { concat, type Framing, type Request, type RequestParser } from "./framing.ts";

const HEADER_BYTES = 7;
/** Of the length field: it counts the unit and a PDU of 1 to 253 bytes. */
const LENGTH = { least: 2, most: 254 };
const LAST_FUNCTION = 0x7f;

class MbapParser implements RequestParser {
  #bytes: Uint8Array = new Uint8Array(0);
  discarded = 0;

  push(bytes: Uint8Array): Request[] {
    this.#bytes = concat(this.#bytes, bytes);
    const requests: Request[] = [];
    let at = 0;
    while (at < this.#bytes.length) {
      const rest = this.#bytes.subarray(at);
      if (!mayBeHeader(rest)) {
        // A slave may close instead; looking for the next header shows more of a client that goes on regardless.
        at++;
        this.discarded++;
        continue;
      }
      const whole = HEADER_BYTES - 1 + lengthOf(rest);
      if (rest.length < HEADER_BYTES || rest.length < whole) break;
      requests.push({
        unit: rest[6] as number,
        pdu: rest.slice(HEADER_BYTES, whole),
        transaction: ((rest[0] as number) << 8) | (rest[1] as number),
      });
      at += whole;
    }
    this.#bytes = this.#bytes.slice(at);
    return requests;
  }

  pause(): Request[] {
    return [];
  }
}

/** Nothing of it that is there yet speaks against a request. */
function mayBeHeader(bytes: Uint8Array): boolean {
  if ((bytes[2] ?? 0) !== 0 || (bytes[3] ?? 0) !== 0 || (bytes[4] ?? 0) !== 0) return false;
  if (bytes.length < 6) return true;
  const length = lengthOf(bytes);
  const fc = bytes[HEADER_BYTES] ?? 1;
  return length >= LENGTH.least && length <= LENGTH.most && fc >= 1 && fc <= LAST_FUNCTION;
}

/** NaN while the field is not there, which compares as false. */
function lengthOf(bytes: Uint8Array): number {
  return (bytes[4] ?? Number.NaN) * 0x100 + (bytes[5] ?? Number.NaN);
}

function frame(transaction: number, protocol: number, unit: number, pdu: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + pdu.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, transaction);
  view.setUint16(2, protocol);
  view.setUint16(4, 1 + pdu.length);
  view.setUint8(6, unit);
  bytes.set(pdu, HEADER_BYTES);
  return bytes;
}

export const mbap: Framing = {
  silenceMs: undefined,
  parser: () => new MbapParser(),
  encode: ({ transaction, unit }, pdu) => frame(transaction, 0, unit, pdu),
  // TCP has no checksum of its own here: only a header that is none keeps a client from taking random bytes for values.
  garble: ({ transaction, unit }, pdu, random) =>
    frame(
      transaction ^ 0xffff,
      0x5555,
      unit,
      pdu.map(() => Math.floor(random() * 256)),
    ),
};
