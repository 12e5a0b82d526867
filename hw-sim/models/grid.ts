import { type Random, Wander } from "../random.ts";
import type { Model, ThreePhase } from "./model.ts";

const NOMINAL_V = 230;
const NOMINAL_HZ = 50;

/** The mains that all chargers and meters of a site share. */
export class Grid implements Model {
  readonly #voltages: readonly [Wander, Wander, Wander];
  readonly #frequency: Wander;

  constructor(random: Random) {
    this.#voltages = [new Wander(random, 0.9, 8), new Wander(random, 0.9, 8), new Wander(random, 0.9, 8)];
    this.#frequency = new Wander(random, 0.015, 5);
  }

  step(stepS: number): void {
    for (const voltage of this.#voltages) voltage.step(stepS);
    this.#frequency.step(stepS);
  }

  get voltagesV(): ThreePhase {
    const [l1, l2, l3] = this.#voltages;
    return [NOMINAL_V + l1.value, NOMINAL_V + l2.value, NOMINAL_V + l3.value];
  }

  get frequencyHz(): number {
    return NOMINAL_HZ + this.#frequency.value;
  }
}
