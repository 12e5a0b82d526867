/**
 * Which `now/` topics hold a value at the server, in a small file beside the outbox: the process that clears them may be
 * another one, and may not know the asset any more. Written when an asset is added and when all are cleared, twice per
 * backlog; synced before the first value goes out.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";

export class ShownNote {
  readonly #path: string | undefined;
  readonly #log: Logger;

  /** Without a path nothing is kept. */
  constructor(path: string | undefined, log: Logger) {
    this.#path = path;
    this.#log = log;
  }

  /** Assets; none when there is no such file or it is not one of ours. */
  read(): readonly string[] {
    if (this.#path === undefined) return [];
    try {
      const noted: unknown = JSON.parse(readFileSync(this.#path, "utf8"));
      return Array.isArray(noted) ? noted.filter((asset) => typeof asset === "string" && ASSET.test(asset)) : [];
    } catch {
      return [];
    }
  }

  /** Never throws. */
  write(assets: Iterable<string>): void {
    if (this.#path === undefined) return;
    try {
      writeFileSync(`${this.#path}.tmp`, `${JSON.stringify([...assets])}\n`, { flush: true });
      renameSync(`${this.#path}.tmp`, this.#path);
    } catch (error) {
      this.#log.debug("shown now/ topics cannot be noted", { path: this.#path, reason: messageOf(error) });
    }
  }
}

/** It becomes part of a topic. */
const ASSET = /^[A-Za-z0-9._-]{1,48}$/;
