/**
 * What the status thread hears of the field regularly. Nobody looks at most gateways most of the time: only while
 * somebody does it is told a few times a second, for copying every value is work for two threads.
 */
import type { LatestValues } from "./pipeline/latest.ts";
import type { FastPathStatus, SourceStatus, ToStatus } from "./status/protocol.ts";

/** While somebody looks. */
const VALUES_MS = 200;
const SOURCES_MS = 1000;
/** While nobody does: what is shown first to somebody who comes is that old, and says so. */
const UNWATCHED_MS = 2000;

export interface StatusFeedOptions {
  readonly latest: Pick<LatestValues, "takeChanged" | "tellAll">;
  readonly sources: () => readonly SourceStatus[];
  readonly fastPath: () => FastPathStatus;
  readonly tell: (message: ToStatus) => void;
}

export class StatusFeed {
  readonly #o: StatusFeedOptions;
  #watched = false;
  #valuesMs = 0;
  #sourcesMs = 0;

  constructor(options: StatusFeedOptions) {
    this.#o = options;
  }

  /** Tells what is due; called by the tick of the field thread, `sinceMs` after the one before. */
  tick(sinceMs: number): void {
    this.#valuesMs += sinceMs;
    this.#sourcesMs += sinceMs;
    if (this.#valuesMs >= (this.#watched ? VALUES_MS : UNWATCHED_MS)) this.#tellValues();
    if (this.#sourcesMs >= (this.#watched ? SOURCES_MS : UNWATCHED_MS)) this.tellSources();
  }

  /** The status thread is new and knows nothing. */
  restart(): void {
    this.#o.latest.tellAll();
    this.watched(false);
    this.#tellAll();
  }

  /** Somebody looks, or nobody does any more. */
  watched(watched: boolean): void {
    this.#watched = watched;
    if (watched) this.#tellAll();
  }

  /** At once: something happened to one of them. */
  tellSources(): void {
    this.#sourcesMs = 0;
    this.#o.tell({ type: "sources", sources: this.#o.sources(), fastPath: this.#o.fastPath() });
  }

  #tellAll(): void {
    this.#tellValues();
    this.tellSources();
  }

  #tellValues(): void {
    this.#valuesMs = 0;
    this.#o.tell({ type: "values", ...this.#o.latest.takeChanged() });
  }
}
