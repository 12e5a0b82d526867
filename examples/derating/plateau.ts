/** One session's rows → the level that it charged at: what can be compared with other sessions of the same charger. */

import type { Row } from "../common/record.ts";
import { numberIn } from "../common/sessions.ts";

export interface Plateau {
  /** Per phase in use. */
  readonly amps: number;
  readonly phases: number;
  /** What the charger offered meanwhile, rounded to 1 A; 0 where it does not tell. */
  readonly offered: number;
  readonly seconds: number;
}

interface Point {
  readonly t: number;
  readonly amps: number;
  readonly phases: number;
  readonly offered: number;
}

const CURRENTS = ["Current.Import.L1", "Current.Import.L2", "Current.Import.L3"];
const OFFERED = "Current.Offered";
/** Less is a charger's own consumption. */
const LEAST_A = 1;
/** Jitter of a level; the ramp before and the taper after it are outside. */
const BAND = 0.03;
/** Above it: the ramp's overshoot and single wrong readings. */
const LEVEL_QUANTILE = 0.9;
/** What lies further apart was not measured in between. */
const LONGEST_STEP_MS = 90_000;

export class PlateauFinder {
  #points: Point[] = [];
  #offered = 0;

  /** Currents are compared, not power: they do not change with the mains' voltage. */
  take({ t, values }: Row): void {
    this.#offered = Math.round(numberIn(values, OFFERED) ?? this.#offered);
    const currents = CURRENTS.flatMap((signal) => numberIn(values, signal) ?? []).filter((amps) => amps > LEAST_A);
    if (currents.length === 0) return;
    this.#points.push({ t, amps: Math.max(...currents), phases: currents.length, offered: this.#offered });
  }

  /** Undefined where the session held no level for `leastS`. The next session begins. */
  end(leastS: number): Plateau | undefined {
    const all = this.#points;
    this.#points = [];
    const offered = mostFrequent(all.map((point) => point.offered));
    const phases = mostFrequent(all.map((point) => point.phases));
    const alike = all.filter((point) => point.offered === offered && point.phases === phases);
    const level = quantile(
      alike.map(({ amps }) => amps),
      LEVEL_QUANTILE,
    );
    const held = alike.filter(({ amps }) => Math.abs(amps - level) <= BAND * level);
    const seconds = secondsOf(held);
    if (offered === undefined || phases === undefined || seconds < leastS) return undefined;
    const amps = quantile(
      held.map((point) => point.amps),
      0.5,
    );
    return { amps, phases, offered, seconds };
  }
}

function secondsOf(points: readonly Point[]): number {
  const steps = points.map(({ t }, at) => t - (points[at - 1]?.t ?? t));
  return steps.reduce((sum, step) => sum + Math.min(step, LONGEST_STEP_MS), 0) / 1000;
}

function mostFrequent(numbers: readonly number[]): number | undefined {
  const counts = new Map<number, number>();
  for (const one of numbers) counts.set(one, (counts.get(one) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}

/** 0 of an empty list. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}
