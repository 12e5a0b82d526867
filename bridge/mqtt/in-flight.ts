/** Packet ids of what we sent and the server has not answered, at most as many as it takes (its Receive Maximum). */
const MAX_ID = 65_535;
const MOST = 200;
/** What is waited for when the connection ends; no reason code of the server's. */
export const NO_ANSWER = 0xff;

export interface Begun {
  readonly messageId: number;
  /** The reason code; NO_ANSWER when the connection ended first. */
  readonly answer: Promise<number>;
}

export class InFlight {
  readonly #answers = new Map<number, (code: number) => void>();
  readonly #waiting: (() => void)[] = [];
  #most = MOST;
  #last = 0;

  get most(): number {
    return this.#most;
  }

  set most(most: number) {
    this.#most = Math.min(most, MOST);
  }

  /** A free id, as soon as there is room. */
  async begin(): Promise<Begun> {
    while (this.#answers.size >= this.#most) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    do this.#last = (this.#last % MAX_ID) + 1;
    while (this.#answers.has(this.#last));
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#answers.set(this.#last, resolve);
    return { messageId: this.#last, answer: promise };
  }

  answer(messageId: number, code: number): void {
    this.#answers.get(messageId)?.(code);
    this.#answers.delete(messageId);
    this.#waiting.shift()?.();
  }

  /** The connection is gone. */
  drop(): void {
    for (const resolve of this.#answers.values()) resolve(NO_ANSWER);
    this.#answers.clear();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
