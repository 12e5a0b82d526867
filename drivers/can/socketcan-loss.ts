/**
 * Frames that the kernel had for our socket and that never came, because its receive queue was full (some 280 frames
 * with the usual net.core.rmem_default). The kernel tells nobody, and the addon cannot ask (SO_RXQ_OVFL); but
 * /proc/net/can/rcvlist_* counts what every filter matched, with the socket as its owner:
 *
 *     device   can_id   can_mask      function          userdata       matches  ident
 *      vcan0     123    c00007ff  00000000b4d8833c  0000000073ef144a      40002  raw
 */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

const LISTS = ["rcvlist_all", "rcvlist_fil", "rcvlist_inv", "rcvlist_sff", "rcvlist_eff", "rcvlist_err"];

interface Entry {
  readonly id: number;
  readonly mask: number;
  readonly owner: string;
  readonly matches: number;
}

export interface LossFilter {
  readonly id: number;
  readonly mask: number;
}

/** One open socket's loss. Never more than there was: what is under way is not counted, in doubt too little is. */
export class ReceiveLoss {
  /** Frames lost since the socket was opened, as far as two looks have confirmed. */
  lost = 0;
  readonly #files: string;
  readonly #name: string;
  readonly #owner: string;
  #received = 0;
  #pending: { readonly matched: number; readonly untilUs: number } | undefined;
  #lastDeficit = 0;
  #looking = false;

  private constructor(files: string, name: string, owner: string) {
    this.#files = files;
    this.#name = name;
    this.#owner = owner;
  }

  /**
   * To be called right after the socket's filters were set: of equal entries the kernel lists the newest first.
   * undefined where the counters cannot be told apart (kernel.kptr_restrict hides the owners) or read.
   */
  static adopt(files: string, name: string, filter: LossFilter): ReceiveLoss | undefined {
    let entry: Entry | undefined;
    try {
      entry = LISTS.flatMap((list) => entriesOf(readFileSync(join(files, list), "utf8"), name)).find(
        ({ id, mask }) => id === filter.id && mask === filter.mask,
      );
    } catch {
      return undefined;
    }
    if (entry === undefined || /^0*$/.test(entry.owner)) return undefined;
    return new ReceiveLoss(files, name, entry.owner);
  }

  /** Hot: called for every frame with the kernel's stamp. */
  saw(stampUs: number): void {
    const pending = this.#pending;
    if (pending !== undefined && stampUs > pending.untilUs) this.#settle(pending.matched);
    this.#received++;
  }

  /** One look at the counters; `systemUs` is the system's clock. To be called again and again. */
  async look(systemUs: () => number): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      this.#count(await Promise.all(LISTS.map((list) => readFile(join(this.#files, list), "utf8"))), systemUs);
    } finally {
      this.#looking = false;
    }
  }

  #count(texts: readonly string[], systemUs: () => number): void {
    if (this.#pending !== undefined) this.#settle(this.#pending.matched);
    let matched = 0;
    for (const text of texts) {
      for (const { owner, matches } of entriesOf(text, this.#name)) if (owner === this.#owner) matched += matches;
    }
    // Every frame that is in the counters bears an earlier stamp than this.
    this.#pending = { matched, untilUs: systemUs() };
  }

  /** A deficit that the next look does not find again was a queue not yet read, or a step of the clock. */
  #settle(matched: number): void {
    const deficit = matched - this.#received;
    this.lost = Math.max(this.lost, Math.min(deficit, this.#lastDeficit));
    this.#lastDeficit = deficit;
    this.#pending = undefined;
  }
}

function entriesOf(text: string, name: string): Entry[] {
  return text.split("\n").flatMap((line) => {
    const [device, id, mask, , owner, matches, ident] = line.trim().split(/\s+/);
    if (device !== name || ident !== "raw" || owner === undefined) return [];
    return [
      { id: Number.parseInt(id ?? "", 16), mask: Number.parseInt(mask ?? "", 16), owner, matches: Number(matches) },
    ];
  });
}
