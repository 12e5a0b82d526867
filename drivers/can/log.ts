import { createReadStream } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../../core/clock.ts";
import { BusbarError, isAbort, messageOf } from "../../core/errors.ts";
import type { BusSetup, CanBus, CanFrame } from "./bus.ts";
import { CandumpParser } from "./candump.ts";

/** Longer waits are cut, for setTimeout's 31 bits. */
const MAX_WAIT_MS = 60_000;
/** The recorded pace is kept exactly; only larger differences are a clock that jumped. */
const JUMP_US = 1_000_000;

/**
 * `log:<file>`: replays a candump log at the pace of its recording, as if it began now. At the end the bus is silent
 * until it is stopped.
 */
export class LogBus implements CanBus {
  readonly #path: string;
  readonly #setup: BusSetup;

  constructor(path: string, setup: BusSetup) {
    this.#path = path;
    this.#setup = setup;
  }

  async run(onFrame: (frame: CanFrame) => void, signal: AbortSignal): Promise<void> {
    try {
      await this.#replay(onFrame, signal);
      await untilAborted(signal);
    } catch (error) {
      if (signal.aborted || isAbort(error)) return;
      throw error;
    }
  }

  async #replay(onFrame: (frame: CanFrame) => void, signal: AbortSignal): Promise<void> {
    const { clock, label, log } = this.#setup;
    const recorded: CanFrame[] = [];
    const parser = new CandumpParser((frame) => recorded.push({ ...frame, data: frame.data.slice() }));
    const pace = new Pace(clock.monoMs());
    const base = new ReplayBase(clock);
    let frames = 0;
    for await (const chunk of this.#chunks(signal)) {
      if (chunk === undefined) parser.end();
      else parser.push(chunk);
      for (const frame of recorded) {
        const { dueMs, replayedUs } = pace.next(frame.tUs);
        for (let waitMs = dueMs - clock.monoMs(); waitMs > 0; waitMs = dueMs - clock.monoMs()) {
          await delay(Math.min(Math.ceil(waitMs), MAX_WAIT_MS), undefined, { signal });
        }
        signal.throwIfAborted();
        onFrame({ ...frame, tUs: base.startUs(clock) + replayedUs });
      }
      frames += recorded.length;
      recorded.length = 0;
    }
    log.info("the log has been replayed", { bus: label, frames, discarded_lines: parser.discardedLines });
  }

  /** The file's chunks, then undefined. */
  async *#chunks(signal: AbortSignal): AsyncGenerator<Buffer | undefined> {
    try {
      yield* createReadStream(this.#path, { signal });
    } catch (cause) {
      if (isAbort(cause)) throw cause;
      const what = `${this.#setup.label}: cannot be read (${messageOf(cause)})`;
      throw new BusbarError("BUS_MISSING", what, { remedy: "check the path of the candump log", cause });
    }
    yield undefined;
  }
}

/** When a frame is due, on the monotonic clock; a recording that jumps back (two logs in one file) goes on without a gap. */
class Pace {
  readonly #startMs: number;
  #shiftUs: number | undefined;
  #lastUs = 0;

  constructor(startMs: number) {
    this.#startMs = startMs;
  }

  next(recordedUs: number): { dueMs: number; replayedUs: number } {
    this.#shiftUs ??= -recordedUs;
    if (recordedUs + this.#shiftUs < this.#lastUs) this.#shiftUs = this.#lastUs - recordedUs;
    this.#lastUs = recordedUs + this.#shiftUs;
    return { dueMs: this.#startMs + this.#lastUs / 1000, replayedUs: this.#lastUs };
  }
}

/** When the replay began, on the gateway's wall clock as it is now: that clock may have jumped since. */
class ReplayBase {
  readonly #startMs: number;
  #startUs: number;

  constructor(clock: Clock) {
    this.#startMs = clock.monoMs();
    this.#startUs = clock.wallUs();
  }

  startUs(clock: Clock): number {
    const jumpedUs = clock.wallUs() - this.#startUs - (clock.monoMs() - this.#startMs) * 1000;
    if (Math.abs(jumpedUs) > JUMP_US) this.#startUs += Math.round(jumpedUs);
    return this.#startUs;
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
