/**
 * Moves the gateway's clock, on the field thread, between two batches, in this order: everything stamped so far is
 * handed over; the clock jumps; what is remembered by time moves along, so that durations stay right; a new era begins
 * at the hand-off, which makes storage seal what is open; then it is told, as a `time` record (the first jump, with
 * which the clock became true) or as an event (a step of the system clock by more than a second).
 *
 * A `time` record is told once per boot. Storage counts boots, and a storage thread that was started again counts one
 * more: each of them gets its own. One that a dying storage thread may not have stored is told again: rather twice than
 * never, for without it the times of a whole boot are lost.
 */
import type { GatewayClock } from "../core/gateway-clock.ts";
import type { Logger } from "../core/log.ts";

const STEP_MS = 1000;

export interface ClockStepEvent {
  readonly type: "clock-step";
  readonly severity: "warning";
  /** How far the clock went; negative: back. */
  readonly step_ms: number;
}

export interface ClockKeeperOptions {
  readonly clock: Pick<GatewayClock, "synced" | "look" | "jump" | "wallUs">;
  readonly log: Logger;
  /** Hands over what is held back; then moves what it remembers of the past. Returns the watermark of the new era. */
  readonly pipeline: { finish(): number; rebase(byUs: number): number };
  readonly handOff: { flush(watermarkMs: number): void; newEra(watermarkMs: number): void };
  readonly tellTime: (record: { readonly t0: number; readonly body: string }) => void;
  readonly tellStep: (event: ClockStepEvent) => void;
  /** Boots of this process, with the same clock, that still wait for the `time` record. */
  readonly untold?: readonly number[];
}

export class ClockKeeper {
  readonly #o: ClockKeeperOptions;
  #trusted = false;
  /** Boots whose times the `time` record must correct and that storage may not have on disk yet. */
  readonly #untold: Set<number>;
  /** True minus ours, milliseconds; undefined: the clock was true from the start, or is not yet. */
  #offsetMs: number | undefined;
  readonly #syncedAtStart: boolean;

  constructor(options: ClockKeeperOptions) {
    this.#o = options;
    this.#syncedAtStart = options.clock.synced;
    this.#untold = new Set(options.untold);
  }

  /** For the keeper that goes on with this clock. What is told already is committed by then. */
  get untold(): readonly number[] {
    return this.#o.clock.synced ? [] : [...this.#untold];
  }

  /** The system clock is true from now on. */
  trust(): void {
    this.#trusted = true;
  }

  /** Storage takes messages, under that boot; again after its death. */
  storageReady(boot: number): void {
    if (this.#syncedAtStart) return;
    this.#untold.add(boot);
    this.#tellTime();
  }

  /** Storage says that everything up to the clock's jump number `era` is on disk, the `time` record with it. */
  durable(era: number): void {
    if (era > 0 && this.#offsetMs !== undefined) this.#untold.clear();
  }

  /** Every tick of the field thread, before the hand-off's own. */
  tick(): void {
    const { clock } = this.#o;
    if (clock.synced ? clock.look() === 0 : !this.#trusted) return;
    const isFirst = !clock.synced;
    const jumpMs = this.#jump();
    if (isFirst) {
      this.#offsetMs = Math.round(jumpMs);
      this.#o.log.info("the clock is true now", { offset_ms: this.#offsetMs });
      this.#tellTime();
    } else if (Math.abs(jumpMs) > STEP_MS) {
      const stepMs = Math.round(jumpMs);
      this.#o.log.warn("the system clock stepped; check who else sets it", { step_ms: stepMs });
      this.#o.tellStep({ type: "clock-step", severity: "warning", step_ms: stepMs });
    }
  }

  #jump(): number {
    const { clock, pipeline, handOff } = this.#o;
    pipeline.finish();
    // The last watermark told stays: it was true, and nothing more is known yet.
    handOff.flush(0);
    const jumpMs = clock.jump();
    handOff.newEra(pipeline.rebase(Math.round(jumpMs * 1000)));
    return jumpMs;
  }

  #tellTime(): void {
    if (this.#offsetMs === undefined) return;
    const t0 = Math.floor(this.#o.clock.wallUs() / 1000);
    for (const boot of this.#untold) {
      this.#o.tellTime({ t0, body: `"time":${JSON.stringify({ boot, offset_ms: this.#offsetMs })}` });
    }
  }
}
