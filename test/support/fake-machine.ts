/** A machine whose clocks a test moves: true time goes on, the system clock says what somebody set it to. */
import type { SystemTime } from "../../core/gateway-clock.ts";

export const TRUE_START_MS = Date.UTC(2027, 2, 1);

export class FakeMachine implements SystemTime {
  /** Milliseconds since the machine's start, with fractions. */
  mono = 5000.25;
  /** The system clock minus true time. */
  wrongMs: number;

  constructor(wrongMs: number) {
    this.wrongMs = wrongMs;
  }

  get trueMs(): number {
    return TRUE_START_MS + this.mono;
  }
  monoMs(): number {
    return this.mono;
  }
  wallMs(): number {
    return Math.floor(this.trueMs + this.wrongMs);
  }
  /** As the kernel stamps a frame now. */
  stampUs(): number {
    return Math.floor((this.trueMs + this.wrongMs) * 1000);
  }
}

/** Random numbers in [0, 1) that a seed repeats (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
