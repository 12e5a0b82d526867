/**
 * Does a charger deliver less than it used to? A derated charger limits its current; cars that want less notice nothing.
 * So means and medians over cars hide it, and one weak car is no news. What tells is that no car reaches the top any
 * more: each session either reaches the level that this charger used to reach (95 % of its best, at the same offer and
 * on as many phases) or misses it. Counted is the run of misses, and how likely a healthy charger is to have it, by its
 * own history: the rule of succession, which is careful while the history is short. That a run is long may also mean
 * other cars; only when several sessions of it stop at one common level is it the charger.
 */
import { type Plateau, quantile } from "./plateau.ts";

export interface Verdict {
  readonly state: "learning" | "healthy" | "suspect" | "derated";
  /** The common level that sessions stop at now, of what the charger used to reach: 0.9 is derated by 10 %. */
  readonly level: number;
  /** Sessions in a row that missed what was reached before. */
  readonly misses: number;
  /** That a healthy charger has such a run. */
  readonly chance: number;
  readonly reachedBefore: number;
  readonly sessionsBefore: number;
}

const REACHES = 0.95;
/** Of what sessions reached: the few highest may be wrong readings. */
const BEST_QUANTILE = 0.97;
/** With fewer sessions there is no history to compare with. */
const LEAST_HISTORY = 10;
const MOST_HISTORY = 300;
const TOP_QUANTILE = 0.9;
/** How near to each other sessions must stop to have been stopped by the same thing, and how many of a run. */
const COMMON = { within: 0.02, sessions: 3, share: 0.15 };

interface Miss {
  readonly phases: number;
  readonly amps: number;
  readonly reach: number;
}

/** One charger at one offered current. */
export class ChargerHistory {
  readonly #alarm: number;
  readonly #byPhases = new Map<number, number[]>();
  #run: Miss[] = [];

  /** Told is a run that a healthy charger has with a chance below `alarm`. */
  constructor(alarm: number) {
    this.#alarm = alarm;
  }

  add({ amps, phases }: Plateau): Verdict {
    const history = this.#byPhases.get(phases) ?? [];
    this.#byPhases.set(phases, history);
    const best = quantile(history, BEST_QUANTILE);
    const enough = history.length >= LEAST_HISTORY;
    if (enough && amps < REACHES * best) this.#run.push({ phases, amps, reach: amps / best });
    else {
      // A run that ended was the cars: it belongs to the history. One that goes on stays out of what it is compared with.
      if (enough) for (const miss of this.#run.splice(0)) this.#remember(miss.phases, miss.amps);
      this.#remember(phases, amps);
    }
    return this.#verdict(enough);
  }

  #remember(phases: number, amps: number): void {
    const history = this.#byPhases.get(phases) ?? [];
    history.push(amps);
    if (history.length > MOST_HISTORY) history.shift();
  }

  #verdict(enough: boolean): Verdict {
    const told = [...new Set(this.#run.map(({ phases }) => phases))].map((phases) => this.#ofPhases(phases));
    const chance = told.reduce((product, one) => product * one.chance, 1);
    const reachedBefore = told.reduce((sum, one) => sum + one.reached, 0);
    const sessionsBefore = told.reduce((sum, one) => sum + one.sessions, 0);
    const { level, common } = commonLevel(this.#run.map(({ reach }) => reach));
    const state = chance < this.#alarm ? (common ? "derated" : "suspect") : enough ? "healthy" : "learning";
    return { state, level, misses: this.#run.length, chance, reachedBefore, sessionsBefore };
  }

  /** The chance that all of the run's sessions on so many phases miss, when of n before r reached. */
  #ofPhases(phases: number): { chance: number; reached: number; sessions: number } {
    const history = this.#byPhases.get(phases) ?? [];
    const least = REACHES * quantile(history, BEST_QUANTILE);
    const sessions = history.length;
    const reached = history.filter((amps) => amps >= least).length;
    let chance = 1;
    const misses = this.#run.filter((miss) => miss.phases === phases).length;
    for (let i = 0; i < misses; i++) chance *= (sessions - reached + 1 + i) / (sessions + 2 + i);
    return { chance, reached, sessions };
  }
}

/** Where the best of a run stop, and whether enough of them do. */
function commonLevel(reaches: readonly number[]): { level: number; common: boolean } {
  const top = quantile(reaches, TOP_QUANTILE);
  const near = reaches.filter((reach) => Math.abs(reach - top) <= COMMON.within * top);
  const wanted = Math.max(COMMON.sessions, COMMON.share * reaches.length);
  return { level: reaches.length === 0 ? 1 : quantile(near, 0.5), common: near.length >= wanted };
}
