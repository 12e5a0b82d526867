/** Sets of sequence numbers as ranges, for the audit alone: it shall not share a mistake with the bridge that it checks. */

/** Both ends included. */
export type Span = readonly [from: number, to: number];

interface Arrived {
  from: number;
  to: number;
  /** When Kafka got the record numbered `to`, milliseconds since 1970. */
  at: number;
}

/** What arrived: every number once, in any order. */
export class ArrivedSpans {
  /** Ascending, never touching. */
  readonly #spans: Arrived[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The highest number, 0 when empty. */
  get last(): number {
    return this.#spans.at(-1)?.to ?? 0;
  }

  /** False when it is there already. */
  add(seq: number, at: number): boolean {
    const index = this.#indexAfter(seq);
    const before = this.#spans[index - 1];
    const after = this.#spans[index];
    if (before !== undefined && seq <= before.to) return false;
    this.#count++;
    const joinsAfter = after?.from === seq + 1;
    if (before?.to === seq - 1) {
      before.to = joinsAfter ? after.to : seq;
      before.at = joinsAfter ? after.at : at;
      if (joinsAfter) this.#spans.splice(index, 1);
    } else if (joinsAfter) after.from = seq;
    else this.#spans.splice(index, 0, { from: seq, to: seq, at });
    return true;
  }

  has(seq: number): boolean {
    return (this.#spans[this.#indexAfter(seq) - 1]?.to ?? 0) >= seq;
  }

  /** When Kafka got the highest record below `seq`, or undefined where there is none. */
  timeBefore(seq: number): number | undefined {
    return this.#spans[this.#indexAfter(seq - 1) - 1]?.at;
  }

  list(): Span[] {
    return this.#spans.map(({ from, to }) => [from, to]);
  }

  /** Index of the first span that begins after `seq`. */
  #indexAfter(seq: number): number {
    const last = this.#spans.at(-1);
    // Records come in order, nearly always.
    if (last === undefined || last.from <= seq) return this.#spans.length;
    let low = 0;
    let high = this.#spans.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#spans[middle] as Arrived).from <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Ascending, without overlap and without neighbours that touch. */
export function merged(spans: readonly Span[]): Span[] {
  const all: [number, number][] = [];
  for (const [from, to] of [...spans].sort((a, b) => a[0] - b[0])) {
    const last = all.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else all.push([from, to]);
  }
  return all;
}

/** What of `spans` is not in `without`; both ascending and without overlap. */
export function subtracted(spans: readonly Span[], without: readonly Span[]): Span[] {
  const left: Span[] = [];
  let next = 0;
  for (const [from, to] of spans) {
    let start = from;
    while ((without[next]?.[1] ?? Number.POSITIVE_INFINITY) < start) next++;
    for (let i = next; start <= to; i++) {
      const [cutFrom, cutTo] = without[i] ?? [to + 1, to + 1];
      if (cutFrom > start) left.push([start, Math.min(to, cutFrom - 1)]);
      start = Math.max(start, cutTo + 1);
      if (cutFrom > to) break;
    }
  }
  return left;
}

export function countOf(spans: readonly Span[]): number {
  return spans.reduce((sum, [from, to]) => sum + to - from + 1, 0);
}
