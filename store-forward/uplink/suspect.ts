/**
 * Finds the record on which a server hangs up (DESIGN invariant 4): five connections in a row that the other side
 * closed while the same record was the oldest without acknowledgement and our `state` had been acknowledged. From the
 * second on records go one at a time, so that the blame falls on the right one.
 */
import type { SealedRecord } from "../queue.ts";

const CONVICTING_CLOSES = 5;
const ALONE_FROM_CLOSES = 2;

export class Suspect {
  #key: string | undefined;
  #closes = 0;
  #early = false;

  /** Records go alone through the next link. */
  get alone(): boolean {
    return this.#closes >= ALONE_FROM_CLOSES;
  }

  /**
   * Records wait until `state` must have been acknowledged. A server that resets the link takes acknowledgements back
   * that were under way, so that a record sent right behind `state` would never be to blame.
   */
  get wary(): boolean {
    return this.#early || this.#closes > 0;
  }

  /** The other side closed the link with a record under way and before it had acknowledged `state`. */
  closedEarly(): void {
    this.#early = true;
  }

  /** The other side closed the link on `record`; true when that convicts it. */
  closedOn(record: SealedRecord): boolean {
    const key = keyOf(record);
    this.#closes = key === this.#key ? this.#closes + 1 : 1;
    this.#key = key;
    return this.#closes >= CONVICTING_CLOSES;
  }

  /** An acknowledged record is innocent. */
  acked(record: SealedRecord): void {
    if (this.#key === undefined || keyOf(record) === this.#key) this.clear();
  }

  clear(): void {
    this.#key = undefined;
    this.#closes = 0;
    this.#early = false;
  }
}

function keyOf({ epoch, stream, seq }: SealedRecord): string {
  return `${epoch} ${stream} ${seq}`;
}
