/**
 * The gateway's time (DESIGN invariant 10), for machines without a clock of their own that survives a power cut.
 *
 * Wall time is an offset to the monotonic clock. Until the clock is true it is never moved: order and durations are
 * right, and one number, told later, corrects every time of the boot. Afterwards it follows the system clock.
 *
 * An era is a stretch of time without a jump. Eras begin in `jump` only, which the field thread calls between two
 * batches, so that whatever was stamped before is handed over as one lot (daemon/clock-keeper.ts). What the system
 * clock does in between changes no stamp: a kernel stamp is taken by its age, not by its digits.
 */
import { performance } from "node:perf_hooks";
import type { Clock } from "./clock.ts";

/** Larger differences to the system clock are jumps; it must stay below what the watermark trails behind (pipeline.ts). */
const FOLLOW_MS = 50;
/** Two readings of the clocks further apart than this were interrupted. */
const READ_MS = 5;
const MAX_READS = 5;
/** At the start there is no earlier reading to hold a new one against. */
const FIRST_READ_MS = 0.5;
/** A frame that waited longer than this to be read: rather than so late, the clock has stepped. */
const USUAL_AGE_MS = 50;
const MAX_AGE_MS = 10_000;
/** A stamp is taken as it is while the time bases differ by no more. */
const SAME_BASE_MS = 2;

/** The clocks of the machine, in milliseconds. */
export interface SystemTime {
  wallMs(): number;
  monoMs(): number;
}

export interface GatewayClockOptions {
  /** The system clock is true. */
  readonly synced: boolean;
  /** It cannot be earlier than this (milliseconds since 1970): the stored wall time, the build date. */
  readonly leastMs: number;
  readonly system?: SystemTime;
}

const MACHINE: SystemTime = { wallMs: () => Date.now(), monoMs: () => performance.now() };

export class GatewayClock implements Clock {
  readonly #system: SystemTime;
  #synced: boolean;
  #era = 0;
  /** Our wall time minus monotonic time. */
  #offsetMs: number;
  /** The system's wall time minus monotonic time, at the last look; and before it stepped last. */
  #systemMs: number;
  #steppedFromMs = 0;
  #steppedAtMs = Number.NEGATIVE_INFINITY;

  constructor({ synced, leastMs, system = MACHINE }: GatewayClockOptions) {
    this.#system = system;
    this.#synced = synced;
    this.#systemMs = firstReading(system);
    this.#offsetMs = synced ? this.#systemMs : Math.max(this.#systemMs, leastMs - system.monoMs());
  }

  get synced(): boolean {
    return this.#synced;
  }
  /** Jumps since the start. */
  get era(): number {
    return this.#era;
  }
  /** How far this clock is ahead of the system's, milliseconds. */
  get aheadMs(): number {
    return this.#offsetMs - this.#systemMs;
  }

  monoMs(): number {
    return this.#system.monoMs();
  }

  wallUs(): number {
    return Math.floor((this.#system.monoMs() + this.#offsetMs) * 1000);
  }

  fromSystemUs(systemUs: number): number {
    const stampMs = systemUs / 1000;
    const monoMs = this.#system.monoMs();
    const ageMs = monoMs + this.#systemMs - stampMs;
    if (ageMs > -READ_MS && ageMs < USUAL_AGE_MS) return this.#rebased(systemUs, this.#systemMs);
    this.#read();
    const ages = [this.#systemMs];
    if (monoMs - this.#steppedAtMs < MAX_AGE_MS) ages.push(this.#steppedFromMs);
    // Stamped before or after the step: of two readings the one that makes the frame younger, but not of the future.
    const base = ages
      .filter((offsetMs) => monoMs + offsetMs - stampMs > -READ_MS && monoMs + offsetMs - stampMs < MAX_AGE_MS)
      .sort((one, other) => one - other)[0];
    return base === undefined ? this.wallUs() : this.#rebased(systemUs, base);
  }

  /** Follows the system clock's small moves. Returns the jump that is due, in milliseconds: 0 for none. */
  look(): number {
    this.#read();
    if (!this.#synced) return 0;
    const dueMs = this.#systemMs - this.#offsetMs;
    if (Math.abs(dueMs) > FOLLOW_MS) return dueMs;
    this.#offsetMs = this.#systemMs;
    return 0;
  }

  /** Goes over to the system clock, which is true: a new era. Returns how far, in milliseconds. */
  jump(): number {
    for (let tries = 0; tries < MAX_READS && !this.#read(); tries++);
    const jumpMs = this.#systemMs - this.#offsetMs;
    this.#offsetMs = this.#systemMs;
    this.#synced = true;
    this.#era++;
    return jumpMs;
  }

  #rebased(systemUs: number, systemMs: number): number {
    const shiftMs = this.#offsetMs - systemMs;
    return Math.abs(shiftMs) <= SAME_BASE_MS ? systemUs : Math.round(systemUs + shiftMs * 1000);
  }

  /** Wall time is cut to whole milliseconds: what is known lies between two bounds, and many readings narrow it. False: interrupted. */
  #read(): boolean {
    const beforeMs = this.#system.monoMs();
    const wallMs = this.#system.wallMs();
    const afterMs = this.#system.monoMs();
    if (afterMs - beforeMs > READ_MS) return false;
    const known = Math.min(Math.max(this.#systemMs, wallMs - afterMs), wallMs + 1 - beforeMs);
    if (Math.abs(known - this.#systemMs) > FOLLOW_MS) {
      this.#steppedFromMs = this.#systemMs;
      this.#steppedAtMs = afterMs;
    }
    this.#systemMs = known;
    return true;
  }
}

/** The system's wall time minus monotonic time, of the reading that was least interrupted: a busy start has many. */
function firstReading(system: SystemTime): number {
  let best = { offsetMs: 0, tookMs: Number.POSITIVE_INFINITY };
  for (let tries = 0; tries < MAX_READS && best.tookMs > FIRST_READ_MS; tries++) {
    const beforeMs = system.monoMs();
    const offsetMs = system.wallMs() - beforeMs;
    const tookMs = system.monoMs() - beforeMs;
    if (tookMs < best.tookMs) best = { offsetMs, tookMs };
  }
  return best.offsetMs;
}
