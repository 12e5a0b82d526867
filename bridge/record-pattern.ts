/**
 * Nearly all records of a topic are alike but for `seq`, `t0` and the samples. What was read of one by the parser tells
 * what stands in the next, byte by byte; where anything else stands, the parser reads that one, too.
 */
import { type BusbarRecord, headFromBoot, headToSeq } from "../core/record.ts";
import { endOfArray } from "./scan.ts";

/** What has to be known of a record; its samples are handed on unread. */
export type RecordFacts = Omit<BusbarRecord, "g" | "crc">;

const SAMPLES = Buffer.from(',"g":');
/** `,"crc":"` … `"}`: whoever checks the sum looks at it. */
const CRC_BYTES = 18;
const ZERO = 0x30;
const NINE = 0x39;
/** Fewer digits than the largest safe integer has. */
const MOST_DIGITS = 15;

export class RecordPattern {
  readonly #same: RecordFacts;
  readonly #toSeq: Buffer;
  readonly #fromBoot: Buffer;

  /** `record`: of kind data, and sound. */
  constructor(record: RecordFacts) {
    const { v, k, gw, asset, epoch, c, seq, boot, sync, birth, t0 } = record;
    this.#same = { v, k, gw, ...(asset === undefined ? {} : { asset }), epoch, c, seq, boot, sync, birth, t0 };
    this.#toSeq = Buffer.from(headToSeq(record));
    // What is written as text must be what was read.
    this.#fromBoot = Buffer.from(typeof sync === "boolean" ? headFromBoot(record) : "\0");
  }

  /** What the record says, if it is one of these and JSON; its checksum is left to be checked. */
  read(plain: Buffer): RecordFacts | undefined {
    const seqAt = this.#toSeq.length;
    if (!standsAt(plain, 0, this.#toSeq)) return undefined;
    const seqEnd = endOfDigits(plain, seqAt);
    const t0At = seqEnd + this.#fromBoot.length;
    if (!standsAt(plain, seqEnd, this.#fromBoot)) return undefined;
    const t0End = endOfDigits(plain, t0At);
    if (seqEnd === seqAt || t0End === t0At || !standsAt(plain, t0End, SAMPLES)) return undefined;
    if (endOfArray(plain, t0End + SAMPLES.length) !== plain.length - CRC_BYTES) return undefined;
    return { ...this.#same, seq: numberIn(plain, seqAt, seqEnd), t0: numberIn(plain, t0At, t0End) };
  }
}

function standsAt(bytes: Buffer, at: number, wanted: Buffer): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false;
  return true;
}

/** `at` itself where there is no number above 0, or one of too many digits. */
function endOfDigits(bytes: Buffer, at: number): number {
  if (bytes[at] === ZERO) return at;
  let end = at;
  while ((bytes[end] as number) >= ZERO && (bytes[end] as number) <= NINE) end++;
  return end - at > MOST_DIGITS ? at : end;
}

function numberIn(bytes: Buffer, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) value = 10 * value + (bytes[at] as number) - ZERO;
  return value;
}
