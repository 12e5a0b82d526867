/** Packet identifiers of one link (MQTT 5 2.2.1): mqtt.js takes its own from here, too. */
const MOST = 65_535;

export class PacketIds {
  readonly #taken = new Set<number>();
  #last = 0;

  /** One that nobody uses; null: there is none. */
  allocate(): number | null {
    if (this.#taken.size === MOST) return null;
    do this.#last = (this.#last % MOST) + 1;
    while (this.#taken.has(this.#last));
    this.#taken.add(this.#last);
    return this.#last;
  }

  getLastAllocated(): number | null {
    return this.#last === 0 ? null : this.#last;
  }

  /** False: it is in use. */
  register(id: number): boolean {
    if (this.#taken.has(id)) return false;
    this.#taken.add(id);
    return true;
  }

  deallocate(id: number): void {
    this.#taken.delete(id);
  }

  clear(): void {
    this.#taken.clear();
    this.#last = 0;
  }
}
