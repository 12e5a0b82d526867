/** Objects that serve again: taken one after the other, all free again after `clear`. */
export class Shelf<T> {
  readonly #make: () => T;
  readonly #items: T[] = [];
  #taken = 0;

  constructor(make: () => T) {
    this.#make = make;
  }

  get taken(): number {
    return this.#taken;
  }

  take(): T {
    const item = this.#items[this.#taken] ?? this.#make();
    this.#items[this.#taken++] = item;
    return item;
  }

  /** Those that are taken, in the order in which they were. */
  at(index: number): T {
    const item = this.#items[index];
    if (item === undefined || index >= this.#taken) throw new RangeError(`shelf: ${index} of ${this.#taken}`);
    return item;
  }

  clear(): void {
    this.#taken = 0;
  }
}
