import { SystemClock } from "../../../core/clock.ts";
import { messageOf } from "../../../core/errors.ts";
import { type LogEntry, Logger } from "../../../core/log.ts";
import { plainRecord, type Stream } from "../../../core/record.ts";
import { uplinkConfig } from "../../../store-forward/config.ts";
import type { UplinkOptions } from "../../../store-forward/uplink/options.ts";
import { Uplink } from "../../../store-forward/uplink/uplink.ts";
import type { Arrival } from "../../support/broker.ts";
import { MemoryQueue } from "../../support/memory-queue.ts";

export const GATEWAY = "depot-berlin-01";
export const PREFIX = "busbar/v1/d8/depot-berlin-01";

export interface RigOptions {
  readonly url: string;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly uplink?: Partial<UplinkOptions>;
}

/** An uplink on a queue in memory, running; quick in everything that a test would wait for. */
export class Rig {
  readonly queue: MemoryQueue;
  readonly logged: LogEntry[] = [];
  readonly uplink: Uplink;
  readonly #abort = new AbortController();
  readonly #done: Promise<void>;

  constructor({ url, config, uplink }: RigOptions) {
    this.queue = (uplink?.queue as MemoryQueue | undefined) ?? new MemoryQueue();
    this.uplink = new Uplink({
      gateway: GATEWAY,
      boot: 17,
      config: uplinkConfig.parse({ url, ...config }),
      queue: this.queue,
      log: new Logger("uplink", (entry) => this.logged.push(entry)),
      clock: new SystemClock(),
      random: () => 0.5,
      ...uplink,
      timing: {
        tickMs: 10,
        backoffFirstMs: 10,
        backoffMaxMs: 40,
        receiptWaitMs: 5,
        heldMs: 50,
        farewellMs: 300,
        ...uplink?.timing,
      },
    });
    this.#done = this.uplink.run(this.#abort.signal);
  }

  async until(what: string, holds: () => boolean, timeoutMs = 3000): Promise<void> {
    await soon(what, holds, timeoutMs).catch((error: unknown) => {
      throw new Error(`${messageOf(error)} (${JSON.stringify(this.uplink.status())})`);
    });
  }

  async up(): Promise<void> {
    await this.until("uplink up", () => this.uplink.status().state === "up");
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Waits for a condition, looking every 2 ms. */
export async function soon(what: string, holds: () => boolean, timeoutMs = 3000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export interface ArrivedRecord {
  readonly stream: string;
  readonly seq: number;
  readonly plain: Buffer;
  readonly qos: number;
}

/** The records among what arrived, in order, unpacked. */
export function recordsOf(arrivals: readonly Arrival[]): ArrivedRecord[] {
  return arrivals
    .filter(({ topic, retain }) => !retain && /\/(data|event|session|gap|time)(\/|$)/.test(topic))
    .map(({ payload, qos }) => {
      const plain = plainRecord(payload);
      const { c, seq } = JSON.parse(plain.toString()) as { c: string; seq: number };
      return { stream: c, seq, plain, qos };
    });
}

/** A queue with so many records of each stream. */
export function filled(counts: Readonly<Partial<Record<Stream, number>>>): MemoryQueue {
  const queue = new MemoryQueue();
  for (const [stream, count] of Object.entries(counts)) {
    for (let i = 0; i < count; i++) queue.seal(stream as Stream);
  }
  return queue;
}

export function isRecord({ topic }: Pick<Arrival, "topic">): boolean {
  return /\/(data|event|gap|time|session)(\/|$)/.test(topic);
}

/** Stream and seq of the record in a publish that reached a server, such as `t7`. */
export function keyOf({ payload }: Pick<Arrival, "payload">): string {
  const { c, seq } = JSON.parse(plainRecord(payload).toString()) as { c: string; seq: number };
  return `${c}${seq}`;
}

/** Of the records among them. */
export function keysOf(publishes: readonly Pick<Arrival, "topic" | "payload">[]): string[] {
  return publishes.filter(isRecord).map(keyOf);
}

/** Payloads that arrived on a topic below the gateway's prefix, as text. */
export function textsOn(arrivals: readonly Arrival[], tail: string): string[] {
  return arrivals.filter(({ topic }) => topic === `${PREFIX}/${tail}`).map(({ payload }) => payload.toString());
}
