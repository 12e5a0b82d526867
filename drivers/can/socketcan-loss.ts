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
import type { Loss } from "../driver.ts";

const WHY = "the kernel's receive queue was full; raise net.core.rmem_default, or find what keeps the gateway busy";
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

/** One moment on two clocks. */
export interface Moment {
  /** Microseconds since 1970, as the kernel stamps frames. */
  readonly systemUs: number;
  readonly monoMs: number;
}

interface Look extends Moment {
  readonly matched: number;
}

interface Way {
  readonly matched: Matched;
  /** Its error frames are in `matched`, too. */
  readonly withErrors: boolean;
}

/** One open socket's loss. Never more than there was: what is under way is not counted, in doubt too little is. */
export class ReceiveLoss {
  readonly #files: string;
  readonly #name: string;
  readonly #way: Way;
  #received = 0;
  #pending: Look | undefined;
  #lastDeficit = 0;
  #looking = false;
  /** Frames lost since the socket was opened, as far as two looks have confirmed. */
  #lost = 0;
  #taken = 0;
  /** Every frame up to this time has come or was taken as lost; monotonic. */
  #wholeMs: number;
  #lostByMs = 0;

  private constructor(files: string, name: string, start: Way & { readonly nowMs: number }) {
    this.#files = files;
    this.#name = name;
    this.#way = start;
    this.#wholeMs = start.nowMs;
  }

  /**
   * To be called right after the socket's filters were set: of equal entries the kernel lists the newest first.
   * undefined where the counters cannot be read, or not be told apart: where kernel.kptr_restrict hides the owners, a
   * filter that somebody else on the interface has, too, is nobody's.
   */
  static adopt(
    files: string,
    name: string,
    { filters, nowMs }: { readonly filters: readonly LossFilter[]; readonly nowMs: number },
  ): ReceiveLoss | undefined {
    let entries: Entry[];
    try {
      entries = LISTS.flatMap((list) => entriesOf(readFileSync(join(files, list), "utf8"), name));
    } catch {
      return undefined;
    }
    const owner = entries.find((entry) => filters.some((filter) => isOf(entry, filter)))?.owner;
    if (owner === undefined) return undefined;
    if (/[^0]/.test(owner)) return new ReceiveLoss(files, name, { matched: ofOwner(owner), withErrors: true, nowMs });
    const sole = ofSoleFilters(filters);
    if (sole(entries) === undefined) return undefined;
    return new ReceiveLoss(files, name, { matched: sole, withErrors: false, nowMs });
  }

  /** Hot: called for every frame with the kernel's stamp. */
  saw(stampUs: number, isError: boolean): void {
    const pending = this.#pending;
    if (pending !== undefined && stampUs > pending.systemUs) this.#settle(pending);
    if (!isError || this.#way.withErrors) this.#received++;
  }

  /** One look at the counters. To be called again and again. */
  async look(now: () => Moment): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      this.#count(await Promise.all(LISTS.map((list) => readFile(join(this.#files, list), "utf8"))), now);
    } finally {
      this.#looking = false;
    }
  }

  /** What was lost since the last call; undefined: nothing. */
  take(): Loss | undefined {
    const frames = this.#lost - this.#taken;
    this.#taken = this.#lost;
    return frames === 0 ? undefined : { frames, fromMs: this.#wholeMs, toMs: this.#lostByMs, why: WHY };
  }

  #count(texts: readonly string[], now: () => Moment): void {
    if (this.#pending !== undefined) this.#settle(this.#pending);
    const matched = this.#way.matched(texts.flatMap((text) => entriesOf(text, this.#name)));
    // Every frame that is in the counters bears an earlier stamp than this.
    if (matched !== undefined) this.#pending = { matched, ...now() };
  }

  /** A deficit that the next look does not find again was a queue not yet read, or a step of the clock. */
  #settle({ matched, monoMs }: Look): void {
    const deficit = matched - this.#received;
    const lost = Math.min(deficit, this.#lastDeficit);
    if (lost > this.#lost) {
      this.#lost = lost;
      this.#lostByMs = monoMs;
    } else if (deficit <= this.#taken) this.#wholeMs = monoMs;
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
