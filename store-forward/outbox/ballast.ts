/**
 * Space held in reserve. On a volume that others have filled SQLite can neither insert, nor delete, nor move its log
 * into the database: all of them want a new block first. Giving this file back lets the log move; from then on the
 * outbox works inside the space it has, until there is room to take the ballast again.
 */
import { closeSync, openSync, rmSync, statfsSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** A full log, moved into pages that the database does not have yet. */
export const BALLAST_BYTES = 3 * 1024 * 1024;
const RETRY_MS = 60_000;

export class Ballast {
  readonly #path: string;
  readonly #minFreeBytes: number;
  #held = false;
  #retryAtMs = Number.NEGATIVE_INFINITY;

  constructor(storePath: string, minFreeBytes: number) {
    this.#path = `${storePath}.ballast`;
    this.#minFreeBytes = minFreeBytes;
  }

  get held(): boolean {
    return this.#held;
  }

  /** Takes the space if it can be spared; tries once a minute. `nowMs` is monotonic. Never throws. */
  take(nowMs: number): void {
    if (this.#held || nowMs < this.#retryAtMs) return;
    this.#retryAtMs = nowMs + RETRY_MS;
    try {
      this.#held = statSync(this.#path, { throwIfNoEntry: false })?.size === BALLAST_BYTES || this.#fill();
    } catch {
      rmSync(this.#path, { force: true, recursive: true });
    }
  }

  /** Gives the space back, for a minute at least. Never throws. */
  give(nowMs: number): void {
    this.#held = false;
    this.#retryAtMs = nowMs + RETRY_MS;
    try {
      rmSync(this.#path, { force: true });
    } catch {
      // On a medium that refuses even this, the next attempt to commit tells.
    }
  }

  #fill(): boolean {
    const { bavail, bsize } = statfsSync(dirname(this.#path));
    if (bavail * bsize < this.#minFreeBytes + 2 * BALLAST_BYTES) return false;
    const file = openSync(this.#path, "w", 0o640);
    try {
      const bytes = Buffer.alloc(BALLAST_BYTES, 0xbb);
      return writeSync(file, bytes) === BALLAST_BYTES;
    } finally {
      closeSync(file);
    }
  }
}
