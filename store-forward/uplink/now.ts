/**
 * `now/<asset>` (DESIGN §6): latest values for dashboards while the records that hold them wait in a backlog. They are
 * retained, so they are cleared (empty payload) when the backlog ends, at an orderly stop, and at a process's first
 * connection; after a dead link the `state` beside them says offline. No dashboard shows an old value as current.
 */
import type { LatestValues } from "./options.ts";

export interface NowOptions {
  readonly gateway: string;
  readonly latest: (() => Iterable<LatestValues>) | undefined;
  readonly publish: (topicTail: string, payload: Buffer) => void;
  readonly when: "backlog" | "always" | "never";
  readonly intervalMs: number;
  /** Called before the first value of an asset goes out, and after the last was cleared. */
  readonly onShown?: (assets: Iterable<string>) => void;
}

const NOTHING = Buffer.alloc(0);

/** Payload of `now/<asset>`. */
export function nowPayload(gateway: string, { asset, ts, values }: LatestValues): Buffer {
  return Buffer.from(JSON.stringify({ v: 1, gw: gateway, asset, ts, s: values }));
}

export class NowTopics {
  readonly #o: NowOptions;
  readonly #shown = new Set<string>();
  #lastMs = Number.NEGATIVE_INFINITY;

  /** `shown`: assets that may still stand on the server from before. */
  constructor(options: NowOptions, shown: Iterable<string>) {
    this.#o = options;
    for (const asset of shown) this.#shown.add(asset);
  }

  /** Assets whose topics hold a value. */
  get shown(): Iterable<string> {
    return this.#shown;
  }

  /** Called often; publishes while it is wanted and when it is time, clears when it is not wanted. */
  update(backlog: boolean, nowMs: number): void {
    const { when } = this.#o;
    const wanted = when === "always" || (when === "backlog" && backlog);
    if (!wanted) this.clear();
    if (!wanted || nowMs - this.#lastMs < this.#o.intervalMs) return;
    this.#lastMs = nowMs;
    const values = [...(this.#o.latest?.() ?? [])];
    this.#keep(values.map(({ asset }) => asset));
    for (const latest of values) this.#o.publish(`now/${latest.asset}`, nowPayload(this.#o.gateway, latest));
  }

  clear(): void {
    this.#keep([]);
    this.#lastMs = Number.NEGATIVE_INFINITY;
  }

  /** Nothing stands but values of these: an asset may have left the configuration since. */
  #keep(assets: readonly string[]): void {
    const before = new Set(this.#shown);
    for (const asset of before) {
      if (assets.includes(asset)) continue;
      this.#o.publish(`now/${asset}`, NOTHING);
      this.#shown.delete(asset);
    }
    for (const asset of assets) this.#shown.add(asset);
    const hasNew = assets.some((asset) => !before.has(asset));
    if (hasNew || (before.size > 0 && assets.length === 0)) this.#o.onShown?.(this.#shown);
  }
}
