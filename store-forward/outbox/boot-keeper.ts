/** Keeps the boot file (../boot.ts) near enough to the outbox, without writing it at every commit. */
import { messageOf } from "../../core/errors.ts";
import { type BootState, bootFileOf, readBootFile, writeBootFile } from "../boot.ts";
import type { OutboxOptions } from "./options.ts";

const SAVE_MS = 60_000;

export class BootKeeper {
  readonly #o: Pick<OutboxOptions, "path" | "clock" | "log">;
  #savedAtMs = 0;
  #last: BootState | undefined;

  constructor(options: Pick<OutboxOptions, "path" | "clock" | "log">) {
    this.#o = options;
  }

  /** What the file says now; undefined when there is none that can be read. */
  load(): BootState | undefined {
    this.#last = readBootFile(bootFileOf(this.#o.path));
    return this.#last;
  }

  /** What was last loaded or kept. */
  get last(): BootState | undefined {
    return this.#last;
  }

  /** Writes the file when `now`, or when the last time is a minute ago. Never throws: the outbox counts boots too. */
  keep(source: { bootState(wallMs: number, leastMs: number): BootState }, now: boolean): void {
    const { path, clock, log } = this.#o;
    const nowMs = clock.monoMs();
    if (!now && nowMs - this.#savedAtMs < SAVE_MS) return;
    this.#savedAtMs = nowMs;
    const state = source.bootState(clock.wallMs(), this.#last?.wallMs ?? 0);
    // Compared without the time: an idle gateway still tells the hour, but an unchanged file is not worth a write.
    if (!now && JSON.stringify({ ...this.#last, wallMs: 0 }) === JSON.stringify({ ...state, wallMs: 0 })) return;
    this.#last = state;
    try {
      writeBootFile(bootFileOf(path), state);
    } catch (error) {
      log.warn("boot file cannot be written; boots are counted in the outbox alone", { error: messageOf(error) });
    }
  }
}
