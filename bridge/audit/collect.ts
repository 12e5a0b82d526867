/** What is read goes into the tally; what cannot be read is counted, and the first few are told. */

import { type Read, readRecord } from "./found.ts";
import type { Found, Tally } from "./tally.ts";

export interface Unread {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly why: string;
}

const MOST_TOLD = 20;

export class Collector {
  readonly #tally: Tally;
  readonly #gateway: string | undefined;
  /** By partition: the record whose samples are being read. */
  readonly #samplesOf = new Map<number, Found>();
  unreadable = 0;
  readonly unread: Unread[] = [];

  /** With `gateway`, all others are left out. */
  constructor(tally: Tally, gateway: string | undefined) {
    this.#tally = tally;
    this.#gateway = gateway;
  }

  take(read: Read & { readonly offset: number }): void {
    if (this.#gateway !== undefined && String(read.headers.gateway) !== this.#gateway) return;
    const found = readRecord(read);
    if ("why" in found) {
      this.unreadable++;
      const { topic, partition, offset } = read;
      if (this.unread.length < MOST_TOLD) this.unread.push({ topic, partition, offset, why: found.why });
    } else if (!this.#isFurtherSample(found)) this.#tally.add(found);
  }

  /** The samples of one record lie together: one transaction writes them, and nobody writes in between. */
  #isFurtherSample(found: Found & { readonly sample: boolean }): boolean {
    if (found.topic !== "telemetry") return false;
    const before = this.#samplesOf.get(found.partition);
    if (!found.sample) {
      this.#samplesOf.delete(found.partition);
      return false;
    }
    this.#samplesOf.set(found.partition, found);
    return (
      before?.seq === found.seq &&
      before.stream === found.stream &&
      before.epoch === found.epoch &&
      before.gateway === found.gateway
    );
  }
}
