/** Whose turn it is. Pure. */

interface Waiting<T> {
  readonly item: T;
  /** In the order of the file. */
  readonly place: number;
  dueMs: number;
}

/**
 * Items in the order in which they are due; of equals the one that was named first. When one is due may change only
 * while it is taken: a line of a hundred devices is not searched for each request.
 */
export class Turns<T extends { readonly dueMs: number }> {
  readonly #known: ReadonlyMap<T, Waiting<T>>;
  readonly #waiting: Waiting<T>[] = [];

  constructor(items: readonly T[]) {
    this.#known = new Map(items.map((item, place) => [item, { item, place, dueMs: item.dueMs }]));
    for (const item of items) this.giveBack(item);
  }

  /** The item that is due first, until it is given back; undefined when all are taken. */
  take(): T | undefined {
    return this.#waiting.shift()?.item;
  }

  giveBack(item: T): void {
    const own = this.#known.get(item);
    if (own === undefined) return;
    own.dueMs = item.dueMs;
    let from = 0;
    let to = this.#waiting.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      const other = this.#waiting[middle] as Waiting<T>;
      if (other.dueMs < own.dueMs || (other.dueMs === own.dueMs && other.place < own.place)) from = middle + 1;
      else to = middle;
    }
    // Who was asked just now mostly comes last.
    if (from === this.#waiting.length) this.#waiting.push(own);
    else this.#waiting.splice(from, 0, own);
  }
}
