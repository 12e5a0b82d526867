/** The gateway's time on the storage thread: the system clock, moved to where the field thread says that now is. */
import { performance } from "node:perf_hooks";
import type { Clock } from "../../core/clock.ts";
import type { StoreClock } from "./options.ts";

/** The watermark is a little behind the present; only more than that is another time base (an unset system clock). */
const FOLLOW_MS = 5000;

export class StorageClock implements Clock, StoreClock {
  synced: boolean;
  #offsetMs = 0;

  constructor(synced: boolean) {
    this.synced = synced;
  }

  /** The field thread's present, in milliseconds since 1970, is about `watermarkMs`; 0: it has told none yet. */
  follow(watermarkMs: number, synced: boolean): void {
    this.synced = synced;
    if (watermarkMs === 0) return;
    const offsetMs = watermarkMs - Date.now();
    this.#offsetMs = Math.abs(offsetMs) > FOLLOW_MS ? offsetMs : 0;
  }

  monoMs(): number {
    return performance.now();
  }
  wallMs(): number {
    return Math.floor(Date.now() + this.#offsetMs);
  }
  wallUs(): number {
    return this.wallMs() * 1000;
  }
  fromSystemUs(systemUs: number): number {
    return systemUs + this.#offsetMs * 1000;
  }
}
