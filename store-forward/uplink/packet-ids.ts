/** Packet identifiers of one link (MQTT 5 2.2.1): mqtt.js takes its own from here, too. */
const MOST = 65_535;

export class PacketIds {
  /** By identifier: 1 when it is in use. */
  readonly #taken = new Uint8Array(MOST + 1);
  #count = 0;
  #last = 0;

  /** One that nobody uses; null: there is none. */
  allocate(): number | null {
    if (this.#count === MOST) return null;
    do this.#last = (this.#last % MOST) + 1;
    while (!this.register(this.#last));
    return this.#last;
  }

  getLastAllocated(): number | null {
    return this.#last === 0 ? null : this.#last;
  }

  /** False: it is in use. */
  register(id: number): boolean {
    if (this.#taken[id] === 1) return false;
    this.#taken[id] = 1;
    this.#count++;
    return true;
  }

  deallocate(id: number): void {
    if (this.#taken[id] !== 1) return;
    this.#taken[id] = 0;
    this.#count--;
  }

  clear(): void {
    this.#taken.fill(0);
    this.#count = 0;
    this.#last = 0;
  }
}
