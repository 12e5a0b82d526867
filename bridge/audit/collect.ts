/** What is read goes into the tally; what cannot be read is counted, and the first few are told. */

import { type Read, readRecord, type SampleOf, sameIdentity } from "./found.ts";
import type { Found, Tally } from "./tally.ts";

export interface Unread {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly why: string;
}

/** A record of which samples were read, and not yet all of them. */
interface Open {
  readonly found: Found;
  readonly of: number;
  readonly seen: Set<number>;
}

const MOST_TOLD = 20;

export class Collector {
  readonly #tally: Tally;
  readonly #gateway: string | undefined;
  /** By partition: the samples of one record lie together, for one transaction writes them and nobody writes in between. */
  readonly #open = new Map<number, Open>();
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
    } else if (found.sample === undefined) this.#tally.add(found);
    else this.#sample(found, found.sample);
  }

  /** Nothing more comes: what is not whole by now never will be. */
  end(): void {
    for (const { found } of this.#open.values()) this.#tally.torn(found);
    this.#open.clear();
  }

  #sample(found: Found, { at, of }: SampleOf): void {
    const open = this.#openFor(found, of);
    if (open.seen.has(at)) this.#tally.twice(found);
    open.seen.add(at);
    if (open.seen.size < of) return;
    this.#open.delete(found.partition);
    this.#tally.add(found);
  }

  #openFor(found: Found, of: number): Open {
    const last = this.#open.get(found.partition);
    if (last?.of === of && sameIdentity(last.found, found)) return last;
    if (last !== undefined) this.#tally.torn(last.found);
    const open = { found, of, seen: new Set<number>() };
    this.#open.set(found.partition, open);
    return open;
  }
}
