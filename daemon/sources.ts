/** The sources of one gateway: run, told to stop, or given to the gateway that follows after a reload. */
import { setTimeout as sleep } from "node:timers/promises";
import type { SourceConfig } from "../config/site.ts";
import { createDriver } from "./drivers.ts";
import type { Pulse } from "./service/vitals.ts";
import type { SourceOwner, SupervisedSource } from "./source.ts";
import type { SourceStatus } from "./status/protocol.ts";

/** What was served before the stop and is still on its way, in a socket or a USB adapter, is read first. */
const LAST_REPLIES_MS = 150;
const STOP_MS = 3000;

export interface KeyedSource {
  /** Sources with the same key are configured alike, in all that their files say (service/read-config.ts). */
  readonly key: string;
  readonly source: SupervisedSource;
}

interface Running {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

export class Sources {
  readonly #all: readonly KeyedSource[];
  readonly #running: Map<string, Running>;

  /** `before`: where some of them run already. */
  constructor(all: readonly KeyedSource[], before?: Sources) {
    this.#all = all;
    const running = before === undefined ? [] : [...before.#running];
    this.#running = new Map(running.filter(([key]) => this.find(key) !== undefined));
  }

  find(key: string): SupervisedSource | undefined {
    return this.#all.find((one) => one.key === key)?.source;
  }

  get count(): number {
    return this.#all.length;
  }

  /** Runs those that do not run yet. */
  start(): void {
    for (const { key, source } of this.#all) {
      if (this.#running.has(key)) continue;
      const stop = new AbortController();
      this.#running.set(key, { stop, ended: source.run(stop.signal) });
    }
  }

  /** Those that also `next` has belong to `owner` from now on. */
  giveTo(next: Sources, owner: SourceOwner): SupervisedSource[] {
    const given = this.#all.filter(({ key }) => next.find(key) !== undefined).map(({ source }) => source);
    for (const source of given) source.giveTo(owner);
    return given;
  }

  /** Stops those that `next` does not have; resolves when they let go of their buses, or after 3 s. */
  async stop(next?: Sources): Promise<void> {
    const ending = [...this.#running].filter(([key]) => next?.find(key) === undefined).map(([, running]) => running);
    if (ending.length === 0) return;
    await sleep(LAST_REPLIES_MS);
    for (const { stop } of ending) stop.abort();
    await Promise.race([Promise.all(ending.map(({ ended }) => ended)), sleep(STOP_MS, undefined, { ref: false })]);
  }

  status(): SourceStatus[] {
    return this.#all.map(({ source }) => source.status());
  }

  pulses(): Pulse[] {
    return this.#all.map(({ source }) => source.pulse());
  }
}

/** The source as it runs in the gateway before, or a driver for a new one. */
export function findSource(config: SourceConfig, key: string, before: Sources | undefined) {
  const source = before?.find(key);
  return { key, source, driver: source?.driver ?? createDriver(config) };
}
