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

  /** Records go alone through the next link. */
  get alone(): boolean {
    return this.#closes >= ALONE_FROM_CLOSES;
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
    if (this.#key !== undefined && keyOf(record) === this.#key) this.clear();
  }

  clear(): void {
    this.#key = undefined;
    this.#closes = 0;
  }
}

function keyOf({ epoch, stream, seq }: SealedRecord): string {
  return `${epoch} ${stream} ${seq}`;
}
