/** Divides batches by asset and staleness. Polls repeat the same list of signals: its division is kept. */
import { type Batch, STALE } from "../../core/sample.ts";
import { type Names, nameStamp, namesOf } from "./group-text.ts";
import type { Stamp } from "./page.ts";

type Signal = { readonly asset: string; readonly name: string };

/** Samples of one batch that stand in one group: indices into it, and their names. */
export interface Part {
  readonly asset: string;
  /** Which of the birth's assets. */
  readonly place: number;
  /** The same for parts that may share a group; empty for those that share none. */
  readonly key: string;
  readonly signals: readonly string[];
  readonly names: Names;
  readonly indices: readonly number[];
}

export interface Plan {
  readonly parts: readonly Part[];
  /** Samples of signals that the birth does not name. */
  readonly unknown: number;
}

/** A plan that is kept for batches of fresh samples of these signals. */
export interface KnownPlan extends Plan {
  readonly numbers: readonly number[];
  /** The only part, if all samples stand in it. */
  readonly whole: Part | undefined;
  /** Batches that are not worth a try (seal.ts). */
  pause: number;
}

/** Kept for lists that begin with the same number: what comes on change comes in every combination. */
const PLANS_KEPT = 8;
const NO_PLANS: readonly KnownPlan[] = [];

export class Splitter {
  readonly #signals: readonly Signal[];
  readonly #places: ReadonlyMap<string, number>;
  /** By name: devices of one kind share theirs. */
  readonly #stamps = new Map<string, Stamp>();
  /** Of fresh batches, by their first signal number; the first are of those that begin with an unknown one. */
  readonly #plans: (readonly KnownPlan[])[];

  constructor(signals: readonly Signal[]) {
    this.#signals = signals;
    this.#places = new Map([...new Set(signals.map(({ asset }) => asset))].map((asset, place) => [asset, place]));
    this.#plans = Array.from({ length: signals.length + 1 }, () => NO_PLANS);
  }

  /** What a batch that begins with this signal has mostly been lately. */
  usual(first: number): KnownPlan | undefined {
    return this.#plans[first]?.[0];
  }

  divide(batch: Batch): Plan {
    return batch.quality.includes(STALE) ? this.#mixed(batch) : this.#fresh(batch.numbers);
  }

  #fresh(numbers: readonly number[]): Plan {
    const first = numbers[0] ?? 0;
    const slot = first < this.#plans.length ? first : 0;
    const plans = this.#plans[slot] as readonly KnownPlan[];
    for (let i = 0; i < plans.length; i++) {
      const plan = plans[i] as KnownPlan;
      if (same(plan.numbers, numbers)) return plan;
    }
    // The batch is the reader's, which puts the next one into it.
    const { parts, unknown } = this.#parts(numbers, [...numbers.keys()]);
    const whole = parts.length === 1 && unknown === 0 ? parts[0] : undefined;
    const plan = { numbers: [...numbers], parts, unknown, whole, pause: 0 };
    this.#plans[slot] = [plan, ...plans.slice(0, PLANS_KEPT - 1)];
    return plan;
  }

  #mixed({ numbers, quality }: Batch): Plan {
    const isStale = (index: number): boolean => quality[index] === STALE;
    const all = [...numbers.keys()];
    const fresh = this.#parts(
      numbers,
      all.filter((index) => !isStale(index)),
    );
    const stale = this.#parts(numbers, all.filter(isStale));
    const parts = [...fresh.parts, ...stale.parts.map((part) => ({ ...part, key: "" }))];
    return { parts, unknown: fresh.unknown + stale.unknown };
  }

  /** One part per asset; a signal that comes twice opens another, because JSON has each name once. */
  #parts(numbers: readonly number[], indices: readonly number[]): Plan {
    const parts: { asset: string; place: number; signals: string[]; indices: number[] }[] = [];
    let unknown = 0;
    for (const index of indices) {
      const signal = this.#signals[(numbers[index] ?? 0) - 1];
      if (signal === undefined) {
        unknown++;
        continue;
      }
      let part = parts.find(({ asset, signals }) => asset === signal.asset && !signals.includes(signal.name));
      if (part === undefined) {
        const { asset } = signal;
        part = { asset, place: this.#places.get(asset) ?? 0, signals: [], indices: [] };
        parts.push(part);
      }
      part.signals.push(signal.name);
      part.indices.push(index);
    }
    return { parts: parts.map((part) => ({ ...part, ...this.#named(part.signals) })), unknown };
  }

  #named(signals: readonly string[]): Pick<Part, "key" | "names"> {
    return { key: keyOf(signals), names: namesOf(signals.map((name) => this.#stampOf(name))) };
  }

  #stampOf(name: string): Stamp {
    let stamp = this.#stamps.get(name);
    if (stamp === undefined) {
      stamp = nameStamp(name);
      this.#stamps.set(name, stamp);
    }
    return stamp;
  }
}

/** A part that is too large for one record. */
export function halves(part: Part): [Part, Part] {
  const { key, signals, names, indices } = part;
  const middle = indices.length >> 1;
  const half = (from: number, to: number): Part => {
    const some = signals.slice(from, to);
    return {
      ...part,
      key: key === "" ? key : keyOf(some),
      signals: some,
      names: namesOf(names.members.slice(from, to)),
      indices: indices.slice(from, to),
    };
  };
  return [half(0, middle), half(middle, indices.length)];
}

function keyOf(signals: readonly string[]): string {
  return signals.join("\n");
}

function same(one: readonly number[], other: readonly number[]): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}
