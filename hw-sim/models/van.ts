/** An electric van that drives a loop from the depot, charges there, and drives again. Fictitious, but of sane size. */
import { type Random, Wander } from "../random.ts";
import { type Model, type Pluggable, SECONDS_PER_HOUR } from "./model.ts";

const LOOP_M = 1500;
const DEPOT = { latitude: 52.5162, longitude: 13.4105 };
const METRES_PER_DEGREE = 111_320;
const ACCELERATION_M_S2 = 1.6;
const BRAKING_M_S2 = 1.8;
const MASS_KG = 2600;
const ROLLING_N = 260;
const DRAG_N_PER_M2_S2 = 0.9;
const DRIVETRAIN_EFFICIENCY = 0.88;
const ACCESSORIES_W = 600;
const BATTERY_WH = 40_000;
const CHARGE_W = 22_000;
const CHARGE_RAMP_S = 5;
const CHARGE_EFFICIENCY = 0.96;
const INNER_OHM = 0.08;
/** Charged at least this far above the state in which it left, so that it does not run empty over a day. */
const GAIN_SOC = 0.001;
const FULL_SOC = 0.95;

export class Van implements Model, Pluggable {
  readonly #random: Random;
  readonly #road: Wander;
  readonly #tyres: readonly Wander[];
  #driving = true;
  #phaseS = 0;
  #distanceM = 0;
  #speedMS = 0;
  #wantedMS = 8;
  #wantedLeftS = 10;
  #powerW = 0;
  #soc: number;
  #leftAtSoc: number;
  #odometerM: number;

  constructor(random: Random) {
    this.#random = random;
    this.#road = new Wander(random, 0.15, 3);
    this.#tyres = [0, 1, 2, 3].map(() => new Wander(random, 3, 40));
    this.#soc = random.between(0.6, 0.8);
    this.#leftAtSoc = this.#soc;
    this.#odometerM = Math.floor(random.between(10_000_000, 60_000_000));
  }

  /** The charging cable is in: it stands at the depot. */
  get plugged(): boolean {
    return !this.#driving;
  }
  get speedKmH(): number {
    return this.#speedMS === 0 ? 0 : Math.max(0, this.#speedMS + this.#road.value) * 3.6;
  }
  /** Percent. */
  get socPercent(): number {
    return this.#soc * 100;
  }
  /** Positive into the battery. */
  get currentA(): number {
    return this.#powerW / this.#openV;
  }
  get voltageV(): number {
    return this.#openV + INNER_OHM * this.currentA;
  }
  get odometerKm(): number {
    return this.#odometerM / 1000;
  }
  get latitude(): number {
    const radiusM = LOOP_M / (2 * Math.PI);
    return DEPOT.latitude + (radiusM * (1 - Math.cos(this.#angle))) / METRES_PER_DEGREE;
  }
  get longitude(): number {
    const radiusM = LOOP_M / (2 * Math.PI);
    const perDegree = METRES_PER_DEGREE * Math.cos((DEPOT.latitude * Math.PI) / 180);
    return DEPOT.longitude + (radiusM * Math.sin(this.#angle)) / perDegree;
  }
  /** Front left, front right, rear left, rear right. */
  get tyresKPa(): readonly number[] {
    return this.#tyres.map((tyre, i) => (i < 2 ? 380 : 420) + tyre.value);
  }

  /** Ends the drive on the spot: the loop's end is the depot, so it is put there. */
  plug(): void {
    if (!this.#driving) return;
    this.#driving = false;
    this.#powerW = 0;
    this.#phaseS = 0;
    this.#distanceM = 0;
    this.#speedMS = 0;
  }

  unplug(): void {
    if (this.#driving) return;
    this.#driving = true;
    this.#powerW = 0;
    this.#phaseS = 0;
    this.#leftAtSoc = this.#soc;
    this.#wantedMS = 8;
    this.#wantedLeftS = 10;
  }

  step(stepS: number): void {
    this.#phaseS += stepS;
    if (this.#driving) this.#drive(stepS);
    else this.#charge(stepS);
    this.#soc = Math.min(1, Math.max(0.02, this.#soc + (this.#powerW * stepS) / SECONDS_PER_HOUR / BATTERY_WH));
    this.#road.step(stepS);
    for (const tyre of this.#tyres) tyre.step(stepS);
  }

  get #angle(): number {
    return (2 * Math.PI * this.#distanceM) / LOOP_M;
  }

  get #openV(): number {
    return 330 + 60 * this.#soc;
  }

  #drive(stepS: number): void {
    this.#wantedLeftS -= stepS;
    if (this.#wantedLeftS <= 0) this.#chooseSpeed();
    const leftM = LOOP_M - this.#distanceM;
    // Slow enough to stand at the depot, but never so slow that it does not arrive.
    const wanted = Math.min(this.#wantedMS, Math.max(0.5, Math.sqrt(2 * BRAKING_M_S2 * leftM) - 0.5));
    const before = this.#speedMS;
    const change = Math.max(-BRAKING_M_S2 * stepS, Math.min(ACCELERATION_M_S2 * stepS, wanted - before));
    this.#speedMS = Math.max(0, before + change);
    this.#distanceM += this.#speedMS * stepS;
    this.#odometerM += this.#speedMS * stepS;
    this.#powerW = drivingPowerW(this.#speedMS, change / stepS);
    if (this.#distanceM >= LOOP_M) this.plug();
  }

  #chooseSpeed(): void {
    const stop = this.#random.next() < 0.15;
    this.#wantedMS = stop ? 0 : this.#random.between(8, 22);
    this.#wantedLeftS = stop ? 4 + this.#speedMS / BRAKING_M_S2 : this.#random.between(8, 15);
  }

  #charge(stepS: number): void {
    this.#powerW = CHARGE_W * CHARGE_EFFICIENCY * Math.min(1, this.#phaseS / CHARGE_RAMP_S);
    const enough = Math.min(FULL_SOC, this.#leftAtSoc + GAIN_SOC);
    if (this.#soc + (this.#powerW * stepS) / SECONDS_PER_HOUR / BATTERY_WH >= enough) this.unplug();
  }
}

/** Into the battery; negative while the motor pulls, positive when braking gives back. */
function drivingPowerW(speedMS: number, accelerationMS2: number): number {
  const forceN = MASS_KG * accelerationMS2 + (speedMS > 0 ? ROLLING_N : 0) + DRAG_N_PER_M2_S2 * speedMS ** 2;
  const wheelW = forceN * speedMS;
  const motorW = wheelW > 0 ? wheelW / DRIVETRAIN_EFFICIENCY : wheelW * DRIVETRAIN_EFFICIENCY;
  return -(motorW + ACCESSORIES_W);
}
