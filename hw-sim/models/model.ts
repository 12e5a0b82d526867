/** A thing of the site that changes with time; it knows nothing of wires. */
export interface Model {
  /** One step of simulated time, in seconds. */
  step(stepS: number): void;
}

/** Something that a cable can be put into by command. */
export interface Pluggable {
  readonly plugged: boolean;
  plug(): void;
  unplug(): void;
}

/** Something that can be made to deliver less than it says. */
export interface Deratable {
  /** By how many percent of its rated current; 0: not at all. */
  deratedPercent: number;
}

/** L1, L2, L3. */
export type ThreePhase = readonly [number, number, number];

export const PHASES = [0, 1, 2] as const;
export const SECONDS_PER_HOUR = 3600;

export function sum(phases: ThreePhase): number {
  return phases[0] + phases[1] + phases[2];
}
