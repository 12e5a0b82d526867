/** Keeps the boot file (../boot.ts) near enough to the outbox, without writing it at every commit. */
import { messageOf } from "../../core/errors.ts";
import { type BootState, bootFileOf, readBootFile, writeBootFile } from "../boot.ts";
import type { OutboxOptions } from "./options.ts";

const SAVE_MS = 60_000;
const COARSE_BYTES = 8 * 1024 * 1024;

export class BootKeeper {
  readonly #o: Pick<OutboxOptions, "path" | "clock" | "log" | "writes">;
  #savedAtMs = 0;
  #last: BootState | undefined;

  constructor(options: Pick<OutboxOptions, "path" | "clock" | "log" | "writes">) {
    this.#o = options;
  }

  /** What the file says now; undefined when there is none that can be read. */
  load(): BootState | undefined {
    this.#last = readBootFile(bootFileOf(this.#o.path));
    this.#o.writes?.restore(this.#last?.written);
    return this.#last;
  }

  /** What was last loaded or kept. */
  get last(): BootState | undefined {
    return this.#last;
  }

  /** Writes the file when `now`, or when the last time is a minute ago. Never throws: the outbox counts boots too. */
  keep(source: { bootState(wallMs: number, leastMs: number): BootState }, now: boolean): void {
    const { path, clock, log, writes } = this.#o;
    const nowMs = clock.monoMs();
    if (!now && nowMs - this.#savedAtMs < SAVE_MS) return;
    this.#savedAtMs = nowMs;
    const written = writes?.today;
    const kept = source.bootState(clock.wallMs(), this.#last?.wallMs ?? 0);
    const state = written === undefined ? kept : { ...kept, written };
    // An idle gateway still tells the hour and writes a little: neither is worth a write of its own.
    if (!now && told(this.#last) === told(state)) return;
    this.#last = state;
    try {
      writeBootFile(bootFileOf(path), state);
    } catch (error) {
      log.warn("boot file cannot be written; boots are counted in the outbox alone", { error: messageOf(error) });
    }
  }
}

function told(state: BootState | undefined): string {
  const { day = 0, bytes = 0 } = state?.written ?? {};
  return JSON.stringify({ ...state, wallMs: 0, written: [day, Math.floor(bytes / COARSE_BYTES)] });
}
