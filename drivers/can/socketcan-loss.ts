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

/** How many frames a socket was given; undefined while that cannot be told. */
type Matched = (entries: readonly Entry[]) => number | undefined;

/** One open socket's loss. Never more than there was: what is under way is not counted, in doubt too little is. */
export class ReceiveLoss {
  /** Frames lost since the socket was opened, as far as two looks have confirmed. */
  lost = 0;
  readonly #files: string;
  readonly #name: string;
  readonly #matched: Matched;
  /** Its error frames are in `#matched`, too. */
  readonly #withErrors: boolean;
  #received = 0;
  #pending: { readonly matched: number; readonly untilUs: number } | undefined;
  #lastDeficit = 0;
  #looking = false;

  private constructor(files: string, name: string, matched: { of: Matched; withErrors: boolean }) {
    this.#files = files;
    this.#name = name;
    this.#matched = matched.of;
    this.#withErrors = matched.withErrors;
  }

  /**
   * To be called right after the socket's filters were set: of equal entries the kernel lists the newest first.
   * undefined where the counters cannot be read, or not be told apart: where kernel.kptr_restrict hides the owners, a
   * filter that somebody else on the interface has, too, is nobody's.
   */
  static adopt(files: string, name: string, filters: readonly LossFilter[]): ReceiveLoss | undefined {
    let entries: Entry[];
    try {
      entries = LISTS.flatMap((list) => entriesOf(readFileSync(join(files, list), "utf8"), name));
    } catch {
      return undefined;
    }
    const owner = entries.find((entry) => filters.some((filter) => isOf(entry, filter)))?.owner;
    if (owner === undefined) return undefined;
    if (/[^0]/.test(owner)) return new ReceiveLoss(files, name, { of: ofOwner(owner), withErrors: true });
    const sole = ofSoleFilters(filters);
    if (sole(entries) === undefined) return undefined;
    return new ReceiveLoss(files, name, { of: sole, withErrors: false });
  }

  /** Hot: called for every frame with the kernel's stamp. */
  saw(stampUs: number, isError: boolean): void {
    const pending = this.#pending;
    if (pending !== undefined && stampUs > pending.untilUs) this.#settle(pending.matched);
    if (!isError || this.#withErrors) this.#received++;
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
    const matched = this.#matched(texts.flatMap((text) => entriesOf(text, this.#name)));
    if (matched === undefined) return;
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

function ofOwner(owner: string): Matched {
  return (entries) => entries.reduce((sum, entry) => (entry.owner === owner ? sum + entry.matches : sum), 0);
}

function ofSoleFilters(filters: readonly LossFilter[]): Matched {
  return (entries) => {
    const ours = entries.filter((entry) => filters.some((filter) => isOf(entry, filter)));
    return ours.length === filters.length ? ours.reduce((sum, { matches }) => sum + matches, 0) : undefined;
  };
}

function isOf({ id, mask }: Entry, filter: LossFilter): boolean {
  return id === filter.id && mask === filter.mask;
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
