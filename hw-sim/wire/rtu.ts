/** Modbus RTU, the slave's side: unit, PDU, CRC-16 (MODBUS over Serial Line V1.02, 2.5.1). */
import { crc16Modbus } from "./crc.ts";
import { concat, type Framing, type Request, type RequestParser } from "./framing.ts";

const LEAST_BYTES = 4;
const MOST_BYTES = 256;
/** Far longer than the 3.5 characters of the standard: a pseudo terminal hands bytes over when the scheduler likes. */
const SILENCE_MS = 50;

/** Functions 1 to 6: two fields of two bytes. 15 and 16: as many bytes more as their count tells. */
const FIXED_BYTES = 8;
const LAST_FIXED_FUNCTION = 6;
const WRITE_MANY = [15, 16];
const WRITE_MANY_HEAD_BYTES = 7;

class RtuParser implements RequestParser {
  #bytes: Uint8Array = new Uint8Array(0);
  discarded = 0;

  push(bytes: Uint8Array): Request[] {
    this.#bytes = concat(this.#bytes, bytes);
    return this.#scan(false);
  }

  pause(): Request[] {
    return this.#scan(true);
  }

  /** `ended`: no more bytes will come for what is there. */
  #scan(ended: boolean): Request[] {
    const requests: Request[] = [];
    let at = 0;
    while (at < this.#bytes.length) {
      const rest = this.#bytes.subarray(at);
      const length = wholeLength(rest, ended);
      if (length !== undefined && length <= rest.length && isSealed(rest.subarray(0, length))) {
        requests.push({ unit: rest[0] as number, pdu: rest.slice(1, length - 2), transaction: 0 });
        at += length;
      } else if (!ended && (length === undefined || length > rest.length) && rest.length < MOST_BYTES) {
        break;
      } else {
        at++;
        this.discarded++;
      }
    }
    this.#bytes = this.#bytes.slice(at);
    return requests;
  }
}

/** Undefined: only silence tells where this frame ends, or its head is not there yet. */
function wholeLength(bytes: Uint8Array, ended: boolean): number | undefined {
  const fc = bytes[1];
  if (fc !== undefined && fc >= 1 && fc <= LAST_FIXED_FUNCTION) return FIXED_BYTES;
  if (fc !== undefined && WRITE_MANY.includes(fc) && bytes.length >= WRITE_MANY_HEAD_BYTES) {
    return WRITE_MANY_HEAD_BYTES + (bytes[6] as number) + 2;
  }
  return ended ? bytes.length : undefined;
}

function isSealed(frame: Uint8Array): boolean {
  if (frame.length < LEAST_BYTES || frame.length > MOST_BYTES) return false;
  const crc = crc16Modbus(frame.subarray(0, -2));
  return frame.at(-2) === (crc & 0xff) && frame.at(-1) === crc >> 8;
}

function seal(unit: number, pdu: Uint8Array, spoilBy: number): Uint8Array {
  const frame = new Uint8Array(pdu.length + 3);
  frame[0] = unit;
  frame.set(pdu, 1);
  const crc = crc16Modbus(frame.subarray(0, -2)) ^ spoilBy;
  frame[frame.length - 2] = crc & 0xff;
  frame[frame.length - 1] = crc >> 8;
  return frame;
}

export const rtu: Framing = {
  silenceMs: SILENCE_MS,
  parser: () => new RtuParser(),
  encode: ({ unit }, pdu) => seal(unit, pdu, 0),
  garble: ({ unit }, pdu, random) => {
    // Half of them look right up to the checksum; the others are noise. The checksum is wrong for both.
    const head = random() < 0.5 ? pdu.length : 0;
    const bytes = pdu.map((byte, i) => (i < head ? byte : Math.floor(random() * 256)));
    return seal(unit, bytes, 1 + Math.floor(random() * 0xffff));
  },
};
