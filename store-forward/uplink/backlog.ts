/** What is sealed and not acknowledged, asked of the queue itself: there may be no link whose lanes know it. */
import { Lane } from "./lane.ts";
import type { UplinkOptions } from "./options.ts";
import { backlogStands, streamsOf } from "./rules.ts";
import type { Settlement } from "./settlement.ts";

export interface BacklogOptions {
  readonly uplink: UplinkOptions;
  readonly settlement: Settlement;
  /** Publishes that await their acknowledgement. */
  readonly inFlight: () => number;
}

export class Backlog {
  readonly #o: BacklogOptions;
  readonly #checks = new Set<() => void>();

  constructor(options: BacklogOptions) {
    this.#o = options;
  }

  /** As `backlogStands` says; false when the queue cannot be read. */
  get stands(): boolean {
    return this.#peek((lanes) => backlogStands(lanes, this.#o.uplink)) ?? false;
  }

  /** True when nothing sealed is unacknowledged; false when `signal` aborts before. */
  async drained(signal: AbortSignal): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const check = (): void => {
      if (this.#empty) resolve(true);
    };
    const stop = (): void => resolve(false);
    this.#checks.add(check);
    signal.addEventListener("abort", stop, { once: true });
    check();
    if (signal.aborted) stop();
    try {
      return await promise;
    } finally {
      this.#checks.delete(check);
      signal.removeEventListener("abort", stop);
    }
  }

  /** Something was sealed or acknowledged. */
  changed(): void {
    if (this.#checks.size > 0) for (const check of this.#checks) check();
  }

  get #empty(): boolean {
    return this.#o.inFlight() === 0 && (this.#peek((lanes) => lanes.every((lane) => lane.empty)) ?? false);
  }

  /** Undefined when the queue cannot be read. */
  #peek<T>(ask: (lanes: readonly Lane[]) => T): T | undefined {
    const { uplink, settlement } = this.#o;
    try {
      const how = { queue: uplink.queue, settlement, qos: 1, readAhead: 1 } as const;
      return ask(streamsOf(uplink.config).map((stream) => new Lane({ ...how, stream })));
    } catch {
      return undefined;
    }
  }
}
