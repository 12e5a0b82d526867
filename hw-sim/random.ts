/** Seeded randomness: the same seed gives the same site, whatever the machine and however busy it is. */

export class Random {
  #state: number;

  /** Each part of a site draws from a stream of its own, so that adding one changes no other. */
  constructor(seed: number, stream: string) {
    let hash = seed | 0;
    for (const char of stream) hash = Math.imul(hash ^ (char.codePointAt(0) as number), 0x01000193);
    this.#state = hash >>> 0;
  }

  /** 0 ≤ next() < 1; a Weyl sequence through the 32-bit finaliser of MurmurHash3. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 0x1_0000_0000;
  }

  between(least: number, most: number): number {
    return least + (most - least) * this.next();
  }

  /** Mean 0, standard deviation 1: a sum of uniform draws, bell enough for noise, and never beyond ±3.5. */
  normal(): number {
    return (this.next() + this.next() + this.next() + this.next() - 2) * Math.sqrt(3);
  }
}

/** Noise that wanders and returns to 0 (an Ornstein-Uhlenbeck process): what a measured quantity looks like. */
export class Wander {
  readonly #random: Random;
  readonly #deviation: number;
  readonly #returnS: number;
  #stepS = 0;
  #kept = 0;
  #added = 0;
  value = 0;

  /** `deviation` in the quantity's unit; `returnS` is the time in which a deflection falls to a third. */
  constructor(random: Random, deviation: number, returnS: number) {
    this.#random = random;
    this.#deviation = deviation;
    this.#returnS = returnS;
  }

  step(stepS: number): number {
    if (stepS !== this.#stepS) {
      this.#stepS = stepS;
      this.#kept = Math.exp(-stepS / this.#returnS);
      this.#added = this.#deviation * Math.sqrt(1 - this.#kept * this.#kept);
    }
    this.value = this.value * this.#kept + this.#added * this.#random.normal();
    return this.value;
  }
}
