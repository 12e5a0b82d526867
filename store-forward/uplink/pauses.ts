/** How long to wait before the next attempt: longer each time, until a link has held. */
import { backoff } from "../../core/backoff.ts";
import type { UplinkTiming } from "./options.ts";

/** A server that says no is asked less often: somebody must change something first. */
const REFUSED_FACTOR = 4;

export interface Attempt {
  /** How long its link lived, in milliseconds; 0: there was none. */
  readonly livedMs: number;
  /** The server had `online`. */
  readonly wasUp: boolean;
  /** It ended because no acknowledgement came, and none of a record had come on it. */
  readonly stalledAtOnce: boolean;
  /** It ended with a no. */
  readonly refused: boolean;
}

export class Pauses {
  readonly #timing: Pick<UplinkTiming, "backoffFirstMs" | "backoffMaxMs" | "heldMs">;
  readonly #random: (() => number) | undefined;
  #climb: ReturnType<typeof backoff>;

  /** `random`: 0 ≤ random() < 1, for the jitter. */
  constructor(timing: Pick<UplinkTiming, "backoffFirstMs" | "backoffMaxMs" | "heldMs">, random?: () => number) {
    this.#timing = timing;
    this.#random = random;
    this.#climb = this.#begin();
  }

  /** Milliseconds. */
  after({ livedMs, wasUp, stalledAtOnce, refused }: Attempt): number {
    const held = wasUp && !stalledAtOnce && livedMs >= this.#timing.heldMs;
    if (held) this.#climb = this.#begin();
    const pauseMs = this.#climb.next().value;
    return refused ? pauseMs * REFUSED_FACTOR : pauseMs;
  }

  #begin(): ReturnType<typeof backoff> {
    const { backoffFirstMs: firstMs, backoffMaxMs: maxMs } = this.#timing;
    const random = this.#random;
    return backoff({ firstMs, maxMs, ...(random === undefined ? {} : { random }) });
  }
}
