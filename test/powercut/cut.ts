/** What a disk holds after a power cut: everything that was flushed, and of the rest what chance let arrive. */
import type { Random } from "../../hw-sim/random.ts";
import type { Entry } from "./order.ts";

export const SURVIVALS = ["nothing", "some writes", "some sectors"] as const;
/** What becomes of writes after the last flush: all lost; each whole or not; each sector of 512 bytes or not. */
export type Survival = (typeof SURVIVALS)[number];
/** `ignored`: a disk that answers a flush and does nothing; a write is safe when its cache has let it go. */
export type Flushes = "honoured" | "ignored";

export const SECTOR_BYTES = 512;
/** A disk that ignores flushes has written what is older than this many writes. */
const LYING_CACHE_WRITES = 400;

/**
 * The block of ext4's superblock is never torn: its checksum lies in another sector than what it changes, so that a tear
 * leaves a file system that does not mount before e2fsck. Seen once in a thousand cuts; nothing an outbox can help.
 */
export const SUPERBLOCK_END = 4096;

export interface Patch {
  readonly offset: number;
  readonly data: Buffer;
}

/** Walks through the order; cuts must be asked for in order. */
export class CutDisk {
  /** What certainly survives a cut at the present place. Changes with `advance`. */
  readonly durable: Buffer;
  readonly #entries: readonly Entry[];
  readonly #flushes: Flushes;
  #cached: Patch[] = [];
  #at = 0;

  /** `image`: the disk before the first entry; not changed. */
  constructor(image: Buffer, entries: readonly Entry[], flushes: Flushes) {
    this.durable = Buffer.from(image);
    this.#entries = entries;
    this.#flushes = flushes;
  }

  /** To just before entry number `end`. */
  advance(end: number): void {
    for (; this.#at < end; this.#at++) {
      const entry = this.#entries[this.#at];
      if (entry?.kind === "write") this.#cached.push(entry);
      else if (entry?.kind === "flush" && this.#flushes === "honoured") this.#settle(0);
    }
    if (this.#flushes === "ignored") this.#settle(LYING_CACHE_WRITES);
  }

  /** What arrived of the writes that nothing made durable, in their order. */
  survivors(survival: Survival, random: Random): Patch[] {
    if (survival === "nothing") return [];
    const share = random.between(0.1, 0.9);
    const pieces = survival === "some writes" ? this.#cached : this.#cached.flatMap(sectorsOf);
    return pieces.filter(() => random.next() < share);
  }

  #settle(kept: number): void {
    const gone = this.#cached.splice(0, Math.max(0, this.#cached.length - kept));
    for (const { offset, data } of gone) data.copy(this.durable, offset);
  }
}

function sectorsOf({ offset, data }: Patch): Patch[] {
  const whole = Math.max(0, Math.min(data.length, SUPERBLOCK_END - offset));
  const pieces: Patch[] = whole === 0 ? [] : [{ offset, data: data.subarray(0, whole) }];
  for (let at = whole; at < data.length; at += SECTOR_BYTES) {
    pieces.push({ offset: offset + at, data: data.subarray(at, at + SECTOR_BYTES) });
  }
  return pieces;
}
