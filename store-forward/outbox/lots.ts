/**
 * The memory of rebuilt records. A drain fills a hundred megabytes of it a minute, which the garbage collector would let
 * lie until tens of megabytes had come together; so it is used again when whoever read the records has sent them.
 */
import type { SealedRecord } from "../queue.ts";

/** Buffers beyond that are left to the garbage collector: of readers that do not tell when they are done. */
const MOST_LENT = 8;
const MOST_SPARE = 2;
/** Larger ones are rare. */
const MAX_SPARE_BYTES = 1024 * 1024;

interface Lot {
  readonly key: string;
  /** Readers go forward: who has done with it has done with those before it. */
  readonly last: SealedRecord;
  readonly memory: Buffer;
}

export class Lots {
  readonly #lent: Lot[] = [];
  readonly #spare: Buffer[] = [];

  /** Memory for `bytes` bytes of records. */
  room(bytes: number): Buffer {
    const spare = this.#spare.pop();
    return spare !== undefined && spare.length >= bytes ? spare : Buffer.allocUnsafeSlow(bytes);
  }

  /** The records up to `last` lie in it. */
  lend(lot: Lot): void {
    this.#lent.push(lot);
    if (this.#lent.length > MOST_LENT) this.#lent.shift();
  }

  /** The bytes of these records are not needed any more. Keys of what is overwritten from now on. */
  *spent(records: readonly SealedRecord[]): Iterable<string> {
    for (let i = this.#lent.length - 1; i >= 0; i--) {
      const { key, last, memory } = this.#lent[i] as Lot;
      if (!records.includes(last)) continue;
      this.#lent.splice(i, 1);
      if (this.#spare.length < MOST_SPARE && memory.length <= MAX_SPARE_BYTES) this.#spare.push(memory);
      yield key;
    }
  }
}
