/**
 * Finds the record on which a server hangs up (DESIGN invariant 4): five connections in a row that the other side
 * closed while the same record was the oldest without acknowledgement and our `state` had been acknowledged. From the
 * second on records go one at a time, so that the blame falls on the right one. Where one record after another is found
 * and none of its stream passes, it is the server that takes none: each takes twice as many closed connections as the
 * one before, so that a wrong access list never empties the outbox (decision 0013).
 */
import type { Stream } from "../../core/record.ts";
import type { SealedRecord } from "../queue.ts";

const CONVICTING_CLOSES = 5;
const ALONE_FROM_CLOSES = 2;

export class Suspect {
  #key: string | undefined;
  #closes = 0;
  #early = false;
  /** Found in a row, of streams of which none has passed since. */
  readonly #found = new Map<Stream, number>();

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

  /** The other side closed the link on `record`; how many times now, when that convicts it. */
  closedOn(record: SealedRecord): number | undefined {
    const key = keyOf(record);
    this.#closes = key === this.#key ? this.#closes + 1 : 1;
    this.#key = key;
    const convicting = CONVICTING_CLOSES * 2 ** (this.#found.get(record.stream) ?? 0);
    return this.#closes < convicting ? undefined : this.#closes;
  }

  /** The convicted one is out of the way. */
  gone({ stream }: SealedRecord): void {
    this.#found.set(stream, (this.#found.get(stream) ?? 0) + 1);
    this.#clear();
  }

  /** An acknowledged record is innocent. */
  acked(record: SealedRecord): void {
    if (this.#found.size > 0) this.#found.delete(record.stream);
    if (this.#key === undefined || keyOf(record) === this.#key) this.#clear();
  }

  #clear(): void {
    this.#key = undefined;
    this.#closes = 0;
    this.#early = false;
  }
}

function keyOf({ epoch, stream, seq }: SealedRecord): string {
  return `${epoch} ${stream} ${seq}`;
}
