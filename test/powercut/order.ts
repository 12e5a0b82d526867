/**
 * One total order of what the disk was asked to do and of what was told to anybody: both are noted on one thread, the
 * disk's requests before they are answered. So whatever stands before an entry had happened when it was noted.
 */

export type DiskEntry =
  | { readonly kind: "write"; readonly offset: number; readonly data: Buffer }
  /** Every write before it was asked to survive a power cut. */
  | { readonly kind: "flush" };

/** `numbers` mark samples and events: each number is handed over once in all generations. */
export type ToldEntry =
  /** The storage thread took up its work. */
  | { readonly kind: "booted"; readonly boot: number; readonly epoch: string }
  /** Noted before the storage thread can have it; milliseconds since 1970. */
  | { readonly kind: "handed"; readonly boot: number; readonly numbers: readonly number[]; readonly watermark: number }
  /** `durable_until` in a report of the storage thread. */
  | { readonly kind: "durable"; readonly boot: number; readonly until: number }
  /** A record arrived at the cloud's side of the link. */
  | { readonly kind: "sent"; readonly id: string; readonly sum: string; readonly numbers: readonly number[] }
  /** Its PUBACK or PUBCOMP is about to be given to the gateway. */
  | { readonly kind: "acked"; readonly id: string };

export type Entry = DiskEntry | ToldEntry;

export class Order {
  readonly entries: Entry[] = [];

  note(entry: Entry): void {
    this.entries.push(entry);
  }
}

export function isTold(entry: Entry): entry is ToldEntry {
  return entry.kind !== "write" && entry.kind !== "flush";
}
