/**
 * Keeps the boot file (../boot.ts) near enough to the outbox, without writing it at every commit.
 *
 * The stored wall time is where the next start begins if its clock is not set. A clock that is known to be true sets it,
 * backwards too. One that is not may be anything, a century ahead with a dying battery, and says nothing here: then what
 * was stored, the build date or the newest stored sample with a true time, whichever is latest, goes on by the time that
 * the gateway ran. While samples are stored the file is at most a minute behind them, with or without a link.
 *
 * The newest stored sample is told besides, for the next start must not repeat its times. While the gateway runs it is
 * told as one that is yet to come, AHEAD_MS from now, and again before then: SIGKILL and power cuts are covered by what
 * was written before. An ordered stop tells the true one.
 */
import { messageOf } from "../../core/errors.ts";
import { type BootState, BUILD_DATE_MS, bootFileOf, readBootFile, writeBootFile } from "../boot.ts";
import type { OutboxOptions } from "./options.ts";
import type { Session } from "./session.ts";

const SAVE_MS = 45_000;
const AHEAD_MS = 55_000;
const COARSE_BYTES = 8 * 1024 * 1024;

type Source = Pick<Session, "bootState" | "newestTrueMs" | "fingerprint">;

export interface Moment {
  /** What happens: this boot begins here, or goes on, or nothing will be stored any more until the next of these. */
  readonly at: "begin" | "going on" | "end";
  /** Wall time is true. */
  readonly synced: boolean;
  /** Time of the newest sample that was handed over since the clock jumped last, milliseconds since 1970; 0: none. */
  readonly newestMs: number;
}

export class BootKeeper {
  readonly #o: Pick<OutboxOptions, "path" | "clock" | "log" | "writes">;
  /** Monotonic: the file says enough until then. */
  #saveAtMs = 0;
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

  /** Writes the file when its time has come. Never throws: the outbox counts boots too. */
  keep(source: Source, moment: Moment): void {
    const { path, clock, log, writes } = this.#o;
    const [nowMs, isDue] = [clock.monoMs(), moment.at !== "going on"];
    if (!isDue && nowMs < this.#saveAtMs) return;
    const written = writes?.today;
    const kept = this.#state(source, moment);
    const state = written === undefined ? kept : { ...kept, written };
    // An idle gateway still tells the hour and writes a little: neither is worth a write of its own.
    const told = `${source.fingerprint()} ${toldBy(state)}`;
    if (!isDue && this.#lastTold === told) return;
    this.#saveAtMs = moment.at === "end" ? nowMs : nowMs + SAVE_MS;
    this.#last = state;
    this.#lastTold = told;
    try {
      writeBootFile(bootFileOf(path), state);
    } catch (error) {
      log.warn("boot file cannot be written; boots are counted in the outbox alone", { error: messageOf(error) });
    }
  }

  #state(source: Source, { at, synced, newestMs }: Moment): BootState {
    const stampedMs = Math.max(this.#o.clock.wallMs(), newestMs) + (at === "end" ? 0 : AHEAD_MS);
    return { ...source.bootState(this.#wallMs(source, synced)), newestMs: stampedMs };
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
  return JSON.stringify([state.boot, state.epoch, day, Math.floor(bytes / COARSE_BYTES)]);
}
