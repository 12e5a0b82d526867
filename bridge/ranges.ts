/** A set of sequence numbers kept as disjoint ranges, exactly: what arrives late or out of order is neither lost nor doubled. */
export class RangeSet {
  /** from, to, from, to, …; ascending, never touching. */
  readonly #edges: number[];

  constructor(edges: readonly number[] = []) {
    this.#edges = [...edges];
  }

  /** Number of ranges. */
  get size(): number {
    return this.#edges.length / 2;
  }

  /** The highest number, 0 when empty. */
  get last(): number {
    return this.#edges.at(-1) ?? 0;
  }

  /** from, to, from, to, … */
  get edges(): readonly number[] {
    return this.#edges;
  }

  has(seq: number): boolean {
    const at = this.#firstEndingAtOrAfter(seq);
    const from = this.#edges[at];
    return from !== undefined && from <= seq;
  }

  /** Adds from…to, both included. */
  add(from: number, to: number = from): void {
    const edges = this.#edges;
    const end = edges.length - 1;
    // In order, which is nearly always.
    if (from === this.last + 1 && end > 0) {
      edges[end] = to;
      return;
    }
    // Every range that overlaps or touches from…to becomes one with it.
    const first = this.#firstEndingAtOrAfter(from - 1);
    let next = first;
    let low = from;
    let high = to;
    for (let start = edges[next]; start !== undefined && start <= to + 1; start = edges[next]) {
      low = Math.min(low, start);
      high = Math.max(high, edges[next + 1] as number);
      next += 2;
    }
    edges.splice(first, next - first, low, high);
  }

  /** The end of the range that holds `seq`, or undefined. */
  endOf(seq: number): number | undefined {
    const at = this.#firstEndingAtOrAfter(seq);
    const from = this.#edges[at];
    return from !== undefined && from <= seq ? this.#edges[at + 1] : undefined;
  }

  /** Index of the first range that ends at `seq` or after it. */
  #firstEndingAtOrAfter(seq: number): number {
    const edges = this.#edges;
    let low = 0;
    let high = edges.length / 2;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((edges[2 * middle + 1] as number) < seq) low = middle + 1;
      else high = middle;
    }
    return 2 * low;
  }
}
