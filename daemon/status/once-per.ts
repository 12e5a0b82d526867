/** Says whether something is seen for the first time, in bounded memory: after `most` different ones it forgets all. */
export class OncePer {
  readonly #most: number;
  readonly #seen = new Set<string>();

  constructor(most: number) {
    this.#most = most;
  }

  first(what: string): boolean {
    if (this.#seen.has(what)) return false;
    if (this.#seen.size >= this.#most) this.#seen.clear();
    this.#seen.add(what);
    return true;
  }
}
