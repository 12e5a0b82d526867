/**
 * The way of log lines from the field thread and the storage thread: through the status thread, which may wait for a
 * slow reader of stderr. When that thread is not there or hangs, they are written here: what is wrong with it must
 * reach somebody.
 */
import type { LogEntry } from "../core/log.ts";

/** A thread that starts anew has this long before its lines are written without it. */
const STARTING_MS = 5000;
const MAX_HELD = 1000;

export interface LogRouteOptions {
  /** Writes to stderr at once, on this thread. */
  readonly write: (entry: LogEntry) => void;
  readonly monoMs: () => number;
  /** The status thread says something once a second; after this long without it counts as hanging. */
  readonly silentMs: number;
}

export class LogRoute {
  readonly #o: LogRouteOptions;
  readonly #held: LogEntry[] = [];
  #post: ((entry: LogEntry) => void) | undefined;
  /** When the thread spoke last, or since when it is waited for. */
  #atMs: number;

  constructor(options: LogRouteOptions) {
    this.#o = options;
    this.#atMs = options.monoMs();
  }

  take(entry: LogEntry): void {
    if (this.#post !== undefined && !this.#isLate(this.#o.silentMs)) this.#post(entry);
    else if (this.#post === undefined && !this.#isLate(STARTING_MS)) this.#hold(entry);
    else this.#o.write(entry);
  }

  /** The status thread takes lines: what was held goes first. */
  open(post: (entry: LogEntry) => void): void {
    this.#post = post;
    this.spoke();
    for (const entry of this.#held.splice(0)) post(entry);
  }

  /** The status thread shows that it lives. */
  spoke(): void {
    this.#atMs = this.#o.monoMs();
  }

  /** It takes no more: it died, or was told to stop. */
  close(): void {
    this.#post = undefined;
    this.spoke();
  }

  /** Looks whether what is held has waited too long. */
  look(): void {
    if (this.#post === undefined && this.#isLate(STARTING_MS)) this.flush();
  }

  /** Writes what is held: nobody else will. */
  flush(): void {
    for (const entry of this.#held.splice(0)) this.#o.write(entry);
  }

  #isLate(limitMs: number): boolean {
    return this.#o.monoMs() - this.#atMs > limitMs;
  }

  #hold(entry: LogEntry): void {
    // Rather on stderr out of order than lost.
    if (this.#held.length >= MAX_HELD) this.flush();
    this.#held.push(entry);
  }
}
