/**
 * Keeps the boot file (../boot.ts) near enough to the outbox, without writing it at every commit.
 *
 * The stored wall time is where the next start begins if its clock is not set. A clock that is known to be true sets it,
 * backwards too. One that is not may be anything, a century ahead with a dying battery, and says nothing here: then what
 * was stored, the build date or the newest stored sample with a true time, whichever is latest, goes on by the time that
 * the gateway ran. While samples are stored the file is at most a minute behind them, with or without a link.
 */
import { messageOf } from "../../core/errors.ts";
import { type BootState, BUILD_DATE_MS, bootFileOf, readBootFile, writeBootFile } from "../boot.ts";
import type { OutboxOptions } from "./options.ts";
import type { Session } from "./session.ts";

const SAVE_MS = 60_000;
const COARSE_BYTES = 8 * 1024 * 1024;

type Source = Pick<Session, "bootState" | "newestTrueMs" | "fingerprint">;

export class BootKeeper {
  readonly #o: Pick<OutboxOptions, "path" | "clock" | "log" | "writes">;
  #savedAtMs = 0;
  #last: BootState | undefined;
  #lastTold = "";
  /** The stored wall time minus monotonic time. */
  #knownMs: number;

  constructor(options: Pick<OutboxOptions, "path" | "clock" | "log" | "writes">) {
    this.#o = options;
    this.#knownMs = BUILD_DATE_MS - options.clock.monoMs();
  }

  /** What the file says now; undefined when there is none that can be read. */
  load(): BootState | undefined {
    this.#last = readBootFile(bootFileOf(this.#o.path));
    this.#knownMs = Math.max(this.#last?.wallMs ?? 0, BUILD_DATE_MS) - this.#o.clock.monoMs();
    this.#o.writes?.restore(this.#last?.written);
    return this.#last;
  }

  /** What was last loaded or kept. */
  get last(): BootState | undefined {
    return this.#last;
  }

  /**
   * Writes the file when `now`, or when the last time is a minute ago; `synced`: wall time is true. Never throws: the
   * outbox counts boots too.
   */
  keep(source: Source, { now, synced }: { readonly now: boolean; readonly synced: boolean }): void {
    const { path, clock, log, writes } = this.#o;
    const nowMs = clock.monoMs();
    if (!now && nowMs - this.#savedAtMs < SAVE_MS) return;
    this.#savedAtMs = nowMs;
    const written = writes?.today;
    const kept = source.bootState(this.#wallMs(source, synced));
    const state = written === undefined ? kept : { ...kept, written };
    // An idle gateway still tells the hour and writes a little: neither is worth a write of its own.
    const told = `${source.fingerprint()} ${toldBy(state)}`;
    if (!now && this.#lastTold === told) return;
    this.#last = state;
    this.#lastTold = told;
    try {
      writeBootFile(bootFileOf(path), state);
    } catch (error) {
      log.warn("boot file cannot be written; boots are counted in the outbox alone", { error: messageOf(error) });
    }
  }

  #wallMs(source: Source, synced: boolean): number {
    const { clock } = this.#o;
    const monoMs = clock.monoMs();
    const trueMs = synced ? clock.wallMs() : Math.max(this.#knownMs + monoMs, source.newestTrueMs());
    this.#knownMs = trueMs - monoMs;
    return Math.floor(trueMs);
  }
}

function toldBy(state: BootState): string {
  const { day = 0, bytes = 0 } = state.written ?? {};
  return JSON.stringify({ ...state, wallMs: 0, written: [day, Math.floor(bytes / COARSE_BYTES)] });
}
