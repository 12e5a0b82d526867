/**
 * Bytes published per calendar month (UTC), for whoever pays by volume. Kept in a small file beside the outbox, written
 * every ten minutes and at the end, without fsync: a power cut costs ten minutes of counting, not flash.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { parseObject } from "./receipts.ts";

const SAVE_MS = 600_000;

export interface Month {
  /** Such as `2026-11`. */
  readonly month: string;
  readonly bytes: number;
}

export class Traffic {
  readonly #path: string | undefined;
  readonly #log: Logger;
  #month = "";
  #bytes = 0;
  #seen = 0;
  #savedMs = Number.NEGATIVE_INFINITY;

  /** Without a path it counts from the start of the process. */
  constructor(path: string | undefined, log: Logger) {
    this.#path = path;
    this.#log = log;
    const { month, bytes } = path === undefined ? {} : read(path);
    if (typeof month !== "string" || typeof bytes !== "number" || !(bytes >= 0)) return;
    this.#month = month;
    this.#bytes = bytes;
  }

  /** `total`: bytes since the start of the process; `now`: a clock that is not known to be true ends no month. */
  count(total: number, now: { readonly wallMs: number; readonly synced: boolean }): Month {
    const month = new Date(now.wallMs).toISOString().slice(0, 7);
    if (this.#month === "" || (now.synced && month !== this.#month)) {
      this.#month = month;
      this.#bytes = 0;
    }
    this.#bytes += total - this.#seen;
    this.#seen = total;
    return { month: this.#month, bytes: this.#bytes };
  }

  /** Writes what was counted when it is time, or `now`. Never throws. */
  save(monoMs: number, now = false): void {
    if (this.#path === undefined || this.#month === "" || (!now && monoMs - this.#savedMs < SAVE_MS)) return;
    this.#savedMs = monoMs;
    try {
      writeFileSync(`${this.#path}.tmp`, `${JSON.stringify({ month: this.#month, bytes: this.#bytes })}\n`);
      renameSync(`${this.#path}.tmp`, this.#path);
    } catch (error) {
      this.#log.debug("the month's traffic cannot be noted", { path: this.#path, reason: messageOf(error) });
    }
  }
}

function read(path: string): Readonly<Record<string, unknown>> {
  try {
    return parseObject(readFileSync(path));
  } catch {
    return {};
  }
}
