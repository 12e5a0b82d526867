import { performance } from "node:perf_hooks";

/** Monotonic time for durations, wall time for samples; kept apart (DESIGN invariant 10). */
export interface Clock {
  /** Milliseconds on the monotonic clock, with fractions. */
  monoMs(): number;
  /** Microseconds since 1970 on the gateway's time base; integer. */
  wallUs(): number;
  /** A stamp of the system's wall clock (a kernel receive stamp, microseconds) on the gateway's time base. */
  fromSystemUs(systemUs: number): number;
  /** The wall time is known to be true. */
  readonly synced: boolean;
  /** How long ago it was that this clock showed `stampMs` (since 1970), whatever jumps came since; else by wall time. */
  ageMs?(stampMs: number): number;
}

/** Follows the system clock, which somebody else vouches for, with microsecond fractions from the monotonic one. */
export class SystemClock implements Clock {
  readonly synced: boolean = true;
  #offsetMs = performance.timeOrigin;

  monoMs(): number {
    return performance.now();
  }

  wallUs(): number {
    const mono = performance.now();
    const system = Date.now();
    // Date.now() is cut to whole milliseconds: more than that apart is a step of the system clock, and is followed.
    const ahead = mono + this.#offsetMs - system;
    if (ahead < -1 || ahead > 2) this.#offsetMs = system - mono;
    return Math.floor((mono + this.#offsetMs) * 1000);
  }

  fromSystemUs(systemUs: number): number {
    return systemUs;
  }
}
