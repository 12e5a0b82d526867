/**
 * Reading while salvage puts older records behind the readers' positions: those are given out next, and what was given
 * out already is not given out again. A read that begins anew gets all of it, in order.
 */
import type { Stream } from "../../core/record.ts";
import type { SealedRecord } from "../queue.ts";
import type { Reader } from "./reader.ts";
import { FIRST_EPOCH } from "./store.ts";

interface At {
  readonly epoch: number;
  readonly seq: number;
}

/** Last given out, of salvaged epochs and of our own. */
interface Given {
  readonly older: At;
  readonly own: At;
}

const BEGIN: Given = { older: { epoch: 0, seq: 0 }, own: { epoch: FIRST_EPOCH, seq: 0 } };
/** A reader is known by the record that it got last. There is one per stream, and one that looks at the oldest. */
const READERS = 16;

export class LateReader {
  readonly #reader: Reader;
  readonly #numberOf: (epoch: string) => number | undefined;
  /** By stream and last record given; in order of use. */
  readonly #readers = new Map<string, Given>();

  constructor(reader: Reader, numberOf: (epoch: string) => number | undefined) {
    this.#reader = reader;
    this.#numberOf = numberOf;
  }

  /** Records that the reader who was given `after` last has not had yet; epoch 0: a new reader. */
  read(stream: Stream, after: At, limit: number): SealedRecord[] {
    const given = this.#given(stream, after);
    const late = this.#late(stream, given.older, limit);
    const rest = this.#reader.read(stream, given.own, limit - late.length);
    const [lastLate, lastOwn] = [late.at(-1), rest.at(-1)];
    const last = lastOwn ?? lastLate;
    if (last !== undefined) {
      const older = lastLate === undefined ? given.older : this.#at(lastLate);
      this.#keep(keyOf(stream, this.#at(last)), { older, own: lastOwn === undefined ? given.own : this.#at(lastOwn) });
    }
    return [...late, ...rest];
  }

  #given(stream: Stream, after: At): Given {
    const known = this.#readers.get(keyOf(stream, after));
    if (known !== undefined || after.epoch === 0) return known ?? BEGIN;
    return after.epoch < FIRST_EPOCH ? { ...BEGIN, older: after } : { ...BEGIN, own: after };
  }

  #keep(key: string, given: Given): void {
    this.#readers.delete(key);
    this.#readers.set(key, given);
    for (const oldest of this.#readers.keys()) {
      if (this.#readers.size <= READERS) break;
      this.#readers.delete(oldest);
    }
  }

  #late(stream: Stream, after: At, limit: number): SealedRecord[] {
    if (!this.#reader.hasBefore(stream, after, FIRST_EPOCH)) return [];
    return this.#reader.read(stream, after, limit).filter((record) => this.#at(record).epoch < FIRST_EPOCH);
  }

  #at({ epoch, seq }: SealedRecord): At {
    return { epoch: this.#numberOf(epoch) ?? FIRST_EPOCH, seq };
  }
}

function keyOf(stream: Stream, { epoch, seq }: At): string {
  return `${stream} ${epoch} ${seq}`;
}
