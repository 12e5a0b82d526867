/**
 * An AC wallbox and the cars that come to it. Cycles are short so that somebody who watches sees them: a car's battery
 * holds what charges in a minute or two, everything else (currents, ramp, taper) has the size it has in a depot.
 */
import { type Random, Wander } from "../random.ts";
import type { Grid } from "./grid.ts";
import { type Deratable, type Model, PHASES, type Pluggable, SECONDS_PER_HOUR, type ThreePhase } from "./model.ts";

export type ChargerPhase = "idle" | "waiting" | "charging" | "ended";

export interface ChargerOptions {
  /** What the box offers each phase, 6 to 32 A (IEC 61851). */
  readonly maxCurrentA: number;
  /** When the first car comes, in seconds after the start. */
  readonly firstPlugS: number;
  /** Phases that cars at this box use; absent: some use one, most use three. */
  readonly carPhases?: 1 | 3;
  /** What cars take per phase when they are not limited; absent: half of `maxCurrentA` up to all of it. */
  readonly carCurrentA?: { readonly least: number; readonly most: number };
  readonly deratedPercent?: number;
}

/** IEC 61851-1: a car may not be offered less than this. */
const LEAST_CURRENT_A = 6;
/** Cars end their ramp within this time (DESIGN: a session's power is there within 10 s). */
const RAMP_S = { least: 3, most: 8 };
/** Once full, a car lets go gently: power read once a second still adds up to the energy. */
const RAMP_DOWN_A_PER_S = 2;
const TAPER_FROM_SOC = 0.8;
/** What is left of the current at 100 %. */
const TAPER_TO = 0.2;
const SAG_OHM = 0.04;

interface Car {
  readonly phases: 1 | 3;
  readonly currentA: number;
  readonly rampAPerS: number;
  readonly batteryWh: number;
  soc: number;
}

export class Charger implements Model, Pluggable, Deratable {
  readonly #random: Random;
  readonly #grid: Grid;
  readonly #options: ChargerOptions;
  readonly #jitter: readonly Wander[];
  readonly #warmth: Wander;
  /** It still offers all of `maxCurrentA`: a worn contactor or a hot box, of which no register tells. */
  deratedPercent: number;
  #phase: ChargerPhase = "idle";
  #leftS: number;
  #car: Car | undefined;
  #setCurrentA = 0;
  #temperatureC = 24;
  #currentsA: ThreePhase = [0, 0, 0];
  #powerW = 0;
  #sessionWh = 0;
  #totalWh: number;

  constructor(random: Random, grid: Grid, options: ChargerOptions) {
    this.#random = random;
    this.#grid = grid;
    this.#options = options;
    this.#jitter = PHASES.map(() => new Wander(random, 0.06, 2));
    this.#warmth = new Wander(random, 0.3, 6);
    this.#leftS = options.firstPlugS;
    this.deratedPercent = options.deratedPercent ?? 0;
    this.#totalWh = Math.floor(random.between(200_000, 900_000));
  }

  get phase(): ChargerPhase {
    return this.#phase;
  }
  get plugged(): boolean {
    return this.#car !== undefined;
  }
  /** State of charge of the car, 0 to 1; undefined when none is plugged in. */
  get carSoc(): number | undefined {
    return this.#car?.soc;
  }
  /** What the car takes when it is not limited, per phase. */
  get carCurrentA(): number {
    return this.#car?.currentA ?? 0;
  }
  get maxCurrentA(): number {
    return this.#options.maxCurrentA;
  }
  get currentsA(): ThreePhase {
    return this.#currentsA;
  }
  get voltagesV(): ThreePhase {
    const [l1, l2, l3] = this.#grid.voltagesV;
    const [i1, i2, i3] = this.#currentsA;
    return [l1 - SAG_OHM * i1, l2 - SAG_OHM * i2, l3 - SAG_OHM * i3];
  }
  /** Cars rectify with a power factor of practically 1: active and apparent power are the same here. */
  get powerW(): number {
    return this.#powerW;
  }
  /** Energy of the present or last session. */
  get sessionWh(): number {
    return this.#sessionWh;
  }
  get totalWh(): number {
    return this.#totalWh;
  }
  get temperatureC(): number {
    return this.#temperatureC + this.#warmth.value;
  }

  plug(): void {
    if (this.#car !== undefined) return;
    const random = this.#random;
    const phases = this.#options.carPhases ?? (random.next() < 0.7 ? 3 : 1);
    const most = this.#options.maxCurrentA;
    const car = this.#options.carCurrentA ?? { least: Math.max(LEAST_CURRENT_A, most / 2), most };
    const currentA = random.between(car.least, car.most);
    const soc = random.between(0.45, 0.65);
    const fullPowerS = random.between(25, 50);
    const batteryWh =
      (phases * 230 * Math.min(currentA, most) * fullPowerS) / SECONDS_PER_HOUR / (TAPER_FROM_SOC - soc);
    this.#car = {
      phases,
      currentA,
      rampAPerS: currentA / random.between(RAMP_S.least, RAMP_S.most),
      batteryWh,
      soc,
    };
    this.#sessionWh = 0;
    this.#enter("waiting", random.between(2, 4));
  }

  unplug(): void {
    if (this.#car === undefined) return;
    this.#car = undefined;
    this.#setCurrentA = 0;
    this.#enter("idle", this.#random.between(15, 35));
  }

  step(stepS: number): void {
    this.#leftS -= stepS;
    if (this.#phase === "idle" && this.#leftS <= 0) this.plug();
    else if (this.#phase === "waiting" && this.#leftS <= 0) this.#enter("charging", 0);
    else if (this.#phase === "ended" && this.#leftS <= 0) this.unplug();
    this.#setCurrentA = this.#nextCurrentA(stepS);
    this.#measure(stepS);
  }

  #enter(phase: ChargerPhase, leftS: number): void {
    this.#phase = phase;
    this.#leftS = leftS;
  }

  get #limitA(): number {
    return Math.max(LEAST_CURRENT_A, this.#options.maxCurrentA * (1 - this.deratedPercent / 100));
  }

  #nextCurrentA(stepS: number): number {
    const car = this.#car;
    if (car === undefined) return 0;
    if (this.#phase !== "charging") return 0;
    if (car.soc >= 1) {
      const left = Math.max(0, this.#setCurrentA - RAMP_DOWN_A_PER_S * stepS);
      if (left === 0) this.#enter("ended", this.#random.between(5, 12));
      return left;
    }
    const tapered = Math.min(1, 1 - ((1 - TAPER_TO) * (car.soc - TAPER_FROM_SOC)) / (1 - TAPER_FROM_SOC));
    const wanted = Math.min(this.#limitA, Math.max(LEAST_CURRENT_A, car.currentA * tapered));
    return Math.min(wanted, this.#setCurrentA + car.rampAPerS * stepS);
  }

  /** The power shown is the power integrated: energy is its exact sum over the steps. */
  #measure(stepS: number): void {
    const phases = this.#car?.phases ?? 0;
    const [j1, j2, j3] = this.#jitter.map((jitter) => jitter.step(stepS)) as [number, number, number];
    const onPhase = (phase: number, jitterA: number): number =>
      phase < phases && this.#setCurrentA > 0 ? Math.min(this.#limitA, Math.max(0, this.#setCurrentA + jitterA)) : 0;
    this.#currentsA = [onPhase(0, j1), onPhase(1, j2), onPhase(2, j3)];
    const [v1, v2, v3] = this.voltagesV;
    const [i1, i2, i3] = this.#currentsA;
    this.#powerW = v1 * i1 + v2 * i2 + v3 * i3;
    const energyWh = (this.#powerW * stepS) / SECONDS_PER_HOUR;
    this.#sessionWh += energyWh;
    this.#totalWh += energyWh;
    if (this.#car !== undefined) this.#car.soc = Math.min(1, this.#car.soc + energyWh / this.#car.batteryWh);
    this.#warmth.step(stepS);
    this.#temperatureC += ((24 + this.#setCurrentA * 0.8 - this.#temperatureC) * stepS) / 120;
  }
}
