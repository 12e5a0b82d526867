/** Whose turn it is. Pure. */

interface Waiting<T> {
  readonly item: T;
  /** In the order of the file. */
  readonly place: number;
  readonly dueMs: number;
}

/**
 * Items in the order in which they are due; of equals the one that was named first. When one is due may change only
 * while it is taken: a line of a hundred devices is not searched for each request.
 */
export class Turns<T extends { readonly dueMs: number }> {
  readonly #places: ReadonlyMap<T, number>;
  readonly #waiting: Waiting<T>[] = [];

  constructor(items: readonly T[]) {
    this.#places = new Map(items.map((item, place) => [item, place]));
    for (const item of items) this.giveBack(item);
  }

  /** The item that is due first, until it is given back; undefined when all are taken. */
  take(): T | undefined {
    return this.#waiting.shift()?.item;
  }

  giveBack(item: T): void {
    const place = this.#places.get(item) ?? 0;
    const { dueMs } = item;
    let [from, to] = [0, this.#waiting.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      const other = this.#waiting[middle] as Waiting<T>;
      if (other.dueMs < dueMs || (other.dueMs === dueMs && other.place < place)) from = middle + 1;
      else to = middle;
    }
    this.#waiting.splice(from, 0, { item, place, dueMs });
  }
}
