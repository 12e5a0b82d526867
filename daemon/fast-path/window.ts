/** Loss, reordering and replay by the counter of one gateway's boot. */

/** A datagram that is later than this many others is refused: whether it was seen is no longer known. */
const WINDOW = 1024;

export type Arrival = "next" | "late" | "duplicate" | "too-old";

/**
 * Counters are compared as serial numbers (RFC 1982): 4,000 datagrams a second wrap 32 bits within twelve days.
 * Datagrams before the first one that was heard do not count as lost.
 */
export class CounterWindow {
  /** Datagrams taken. */
  taken = 0;
  late = 0;
  duplicates = 0;
  tooOld = 0;
  #first = 0;
  #highest = -1;
  /** seen[counter % WINDOW] is the counter last taken there. */
  readonly #seen = new Float64Array(WINDOW).fill(-1);

  /** Datagrams that were sent between the first and the last one heard, and have not arrived (so far). */
  get lost(): number {
    return this.taken === 0 ? 0 : this.#highest - this.#first + 1 - this.taken;
  }

  /** Takes a u32 counter; `duplicate` and `too-old` are to be refused. */
  take(counter: number): Arrival {
    // 2^32 is added so that what came before the first one heard still has a place: positions count on past the wrap.
    const position = this.taken === 0 ? counter + 2 ** 32 : this.#highest + ((counter - this.#highest) | 0);
    if (this.taken > 0 && position <= this.#highest - WINDOW) {
      this.tooOld++;
      return "too-old";
    }
    const slot = position % WINDOW;
    if (this.#seen[slot] === position) {
      this.duplicates++;
      return "duplicate";
    }
    this.#seen[slot] = position;
    this.taken++;
    if (this.taken === 1) this.#first = position;
    if (position > this.#highest) {
      this.#highest = position;
      return "next";
    }
    this.late++;
    this.#first = Math.min(this.#first, position);
    return "late";
  }
}
