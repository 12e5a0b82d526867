/** The partitions that this instance works on, started and stopped as the group gives and takes them. */
import { Partition, type PartitionOptions } from "./partition.ts";

interface Running {
  readonly partition: Partition;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

export interface PartitionStatus {
  readonly partition: number;
  /** Why nothing is written, why nothing is read, why no receipt goes out; undefined where it does. */
  readonly problem: string | undefined;
  readonly mqtt: string | undefined;
  readonly receipts: string | undefined;
  /** Seconds. */
  readonly oldestAge: number;
}

export class Partitions {
  readonly #options: Omit<PartitionOptions, "partition">;
  readonly #running = new Map<number, Running>();
  /** Given up, but not ended yet: what is under way is finished first. */
  readonly #ending = new Map<number, Promise<void>>();
  #closed = false;

  constructor(options: Omit<PartitionOptions, "partition">) {
    this.#options = options;
  }

  /** From now on exactly these. */
  own(owned: ReadonlySet<number>): void {
    const lost = [...this.#running.keys()].filter((partition) => !owned.has(partition));
    const gained = [...owned].filter((partition) => !this.#running.has(partition));
    if (lost.length + gained.length > 0) this.#options.log.info("partitions", { gained, lost, owned: owned.size });
    for (const partition of lost) this.#end(partition);
    for (const partition of gained) this.#begin(partition);
  }

  /** Gives all up; resolves when each has finished what was under way and closed its MQTT session. */
  async close(): Promise<void> {
    this.own(new Set());
    this.#closed = true;
    await Promise.all(this.#ending.values());
  }

  status(): PartitionStatus[] {
    return [...this.#running].map(([number, { partition }]) => ({
      partition: number,
      problem: partition.problem,
      mqtt: partition.mqttProblem,
      receipts: partition.refusal,
      oldestAge: partition.oldestAge,
    }));
  }

  #begin(number: number): void {
    if (this.#closed) return;
    const partition = new Partition({ ...this.#options, partition: number });
    const stop = new AbortController();
    // The same partition may have come back before its former run ended.
    const before = this.#ending.get(number) ?? Promise.resolve();
    const ended = before.then(() => partition.run(stop.signal));
    this.#running.set(number, { partition, stop, ended });
  }

  #end(number: number): void {
    const running = this.#running.get(number);
    if (running === undefined) return;
    this.#running.delete(number);
    running.stop.abort();
    const ended = running.ended.finally(() => {
      if (this.#ending.get(number) === ended) this.#ending.delete(number);
    });
    this.#ending.set(number, ended);
  }
}
