import { type Random, Wander } from "../random.ts";
import type { Grid } from "./grid.ts";
import { type Model, PHASES, SECONDS_PER_HOUR, sum, type ThreePhase } from "./model.ts";

/** What a meter can stand before. */
export interface Load {
  readonly currentsA: ThreePhase;
}

/** Light, router and the like. */
const BASE_LOAD_A = 0.6;
const BASE_LOAD_POWER_FACTOR = 0.95;
const BASE_LOAD_REACTIVE = Math.sqrt(1 - BASE_LOAD_POWER_FACTOR ** 2);

/** A three-phase energy meter before some chargers and a small base load. Step it after what it measures. */
export class Meter implements Model {
  readonly #grid: Grid;
  readonly #loads: readonly Load[];
  readonly #base: readonly Wander[];
  #currentsA: ThreePhase = [0, 0, 0];
  #powersW: ThreePhase = [0, 0, 0];
  #powersVar: ThreePhase = [0, 0, 0];
  #importWh: ThreePhase;
  #importVarh: number;

  constructor(random: Random, grid: Grid, loads: readonly Load[]) {
    this.#grid = grid;
    this.#loads = loads;
    this.#base = PHASES.map(() => new Wander(random, 0.08, 4));
    const startWh = (): number => Math.floor(random.between(300_000, 500_000));
    this.#importWh = [startWh(), startWh(), startWh()];
    this.#importVarh = Math.floor(random.between(50_000, 90_000));
  }

  get voltagesV(): ThreePhase {
    return this.#grid.voltagesV;
  }
  get frequencyHz(): number {
    return this.#grid.frequencyHz;
  }
  get currentsA(): ThreePhase {
    return this.#currentsA;
  }
  get powersW(): ThreePhase {
    return this.#powersW;
  }
  get powersVar(): ThreePhase {
    return this.#powersVar;
  }
  get importWh(): ThreePhase {
    return this.#importWh;
  }
  get importVarh(): number {
    return this.#importVarh;
  }

  step(stepS: number): void {
    const base = this.#base.map((wander) => BASE_LOAD_A + wander.step(stepS));
    const voltagesV = this.voltagesV;
    const baseVa = (phase: 0 | 1 | 2): number => voltagesV[phase] * Math.max(0, base[phase] as number);
    const chargingA = (phase: 0 | 1 | 2): number => this.#loads.reduce((all, load) => all + load.currentsA[phase], 0);
    const powerW = (phase: 0 | 1 | 2): number =>
      voltagesV[phase] * chargingA(phase) + baseVa(phase) * BASE_LOAD_POWER_FACTOR;
    const powerVar = (phase: 0 | 1 | 2): number => baseVa(phase) * BASE_LOAD_REACTIVE;
    this.#powersW = [powerW(0), powerW(1), powerW(2)];
    this.#powersVar = [powerVar(0), powerVar(1), powerVar(2)];
    const currentA = (phase: 0 | 1 | 2): number => Math.hypot(this.#powersW[phase], powerVar(phase)) / voltagesV[phase];
    this.#currentsA = [currentA(0), currentA(1), currentA(2)];
    const countedWh = (phase: 0 | 1 | 2): number =>
      this.#importWh[phase] + (this.#powersW[phase] * stepS) / SECONDS_PER_HOUR;
    this.#importWh = [countedWh(0), countedWh(1), countedWh(2)];
    this.#importVarh += (sum(this.#powersVar) * stepS) / SECONDS_PER_HOUR;
  }
}
