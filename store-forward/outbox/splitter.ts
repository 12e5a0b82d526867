/** Divides batches by asset and staleness. Polls repeat the same list of signals: its division is kept. */
import { type Batch, STALE } from "../../core/sample.ts";
import { type Names, namesOf } from "./group-text.ts";

/** Samples of one batch that stand in one group: indices into it, and their names. */
export interface Part {
  readonly asset: string;
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

interface KnownPlan extends Plan {
  readonly numbers: readonly number[];
}

/** Kept for lists that begin with the same number: what comes on change comes in every combination. */
const PLANS_KEPT = 8;

export class Splitter {
  readonly #signals: readonly { readonly asset: string; readonly name: string }[];
  /** Of fresh batches, by their first signal number. */
  readonly #plans = new Map<number, KnownPlan[]>();

  constructor(signals: readonly { readonly asset: string; readonly name: string }[]) {
    this.#signals = signals;
  }

  divide(batch: Batch): Plan {
    return batch.quality.includes(STALE) ? this.#mixed(batch) : this.#fresh(batch.numbers);
  }

  #fresh(numbers: readonly number[]): Plan {
    const first = numbers[0] ?? 0;
    const plans = this.#plans.get(first);
    if (plans !== undefined) for (const plan of plans) if (same(plan.numbers, numbers)) return plan;
    // The batch is the reader's, which puts the next one into it.
    const plan = { numbers: [...numbers], ...this.#parts(numbers, [...numbers.keys()]) };
    this.#plans.set(first, [plan, ...(plans ?? []).slice(0, PLANS_KEPT - 1)]);
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
    const parts: { asset: string; signals: string[]; indices: number[] }[] = [];
    let unknown = 0;
    for (const index of indices) {
      const signal = this.#signals[(numbers[index] ?? 0) - 1];
      if (signal === undefined) {
        unknown++;
        continue;
      }
      let part = parts.find(({ asset, signals }) => asset === signal.asset && !signals.includes(signal.name));
      if (part === undefined) {
        part = { asset: signal.asset, signals: [], indices: [] };
        parts.push(part);
      }
      part.signals.push(signal.name);
      part.indices.push(index);
    }
    return { parts: parts.map((part) => ({ ...part, ...keyed(part.signals) })), unknown };
  }
}

/** A part that is too large for one record. */
export function halves({ asset, key, signals, indices }: Part): [Part, Part] {
  const middle = indices.length >> 1;
  const half = (from: number, to: number): Part => {
    const some = signals.slice(from, to);
    const part = { asset, signals: some, indices: indices.slice(from, to), ...keyed(some) };
    return key === "" ? { ...part, key } : part;
  };
  return [half(0, middle), half(middle, indices.length)];
}

function keyed(signals: readonly string[]): Pick<Part, "key" | "names"> {
  return { key: signals.join("\n"), names: namesOf(signals) };
}

function same(one: readonly number[], other: readonly number[]): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}
