/**
 * Which `now/` topics may hold a value at the server, for the link that is to clear them. Also in a small file beside the
 * outbox, for that may be another process's link, which may not know the asset any more. Written when an asset is added
 * and when all are cleared, twice per backlog; synced before the first value goes out.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { UplinkOptions } from "./options.ts";

export class ShownNote {
  readonly #path: string | undefined;
  readonly #log: Logger;
  readonly #latestValues: UplinkOptions["latestValues"];
  #last: readonly string[] | undefined;

  /** Without a path nothing outlives the process. */
  constructor({ shownPath, log, latestValues }: Pick<UplinkOptions, "shownPath" | "log" | "latestValues">) {
    this.#path = shownPath;
    this.#log = log;
    this.#latestValues = latestValues;
  }

  /** Assets: what the last link left, and before the first one all that there are and all that were noted. */
  get assets(): readonly string[] {
    return this.#last ?? [...new Set([...this.#known(), ...this.#noted()])];
  }

  /** A link ended and left these. */
  left(assets: Iterable<string>): void {
    this.#last = [...assets];
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

  #known(): readonly string[] {
    try {
      return [...(this.#latestValues?.() ?? [])].map(({ asset }) => asset);
    } catch {
      return [];
    }
  }

  /** None when there is no such file or it is not one of ours. */
  #noted(): readonly string[] {
    if (this.#path === undefined) return [];
    try {
      const noted: unknown = JSON.parse(readFileSync(this.#path, "utf8"));
      return Array.isArray(noted) ? noted.filter((asset) => typeof asset === "string" && ASSET.test(asset)) : [];
    } catch {
      return [];
    }
  }
}

/** It becomes part of a topic. */
const ASSET = /^[A-Za-z0-9._-]{1,48}$/;
