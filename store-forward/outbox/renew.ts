/**
 * The cloud's receipt, and the new epoch that it may call for (DESIGN §2). A receipt above what this file can have sent
 * says that the file is an image from the past: the numbers that it would give out are used for other samples.
 *
 * What can have been sent: `meta.unsent`, noted at a start and struck out durably before the process's first record
 * leaves, holds the numbers from which on nothing was sent, over any number of starts without a link. Without it, all
 * that was given out may have been sent.
 */
import type { Stream } from "../../core/record.ts";
import { STREAMS } from "../../core/record.ts";
import type { EpochRow } from "./schema.ts";
import type { Store } from "./store.ts";

const UNSENT = "unsent";

/** Highest contiguous number per stream of an epoch that the cloud holds. */
export interface CloudReceipt {
  readonly epoch: string;
  readonly upto: Readonly<Record<Stream, number>>;
}

/** Inside a transaction, at a start: from here on nothing was sent, unless an earlier start noted a lower number. */
export function noteUnsent(store: Store, { n, name }: EpochRow): void {
  if (unsentOf(store, name) !== undefined) return;
  const next = Object.fromEntries(STREAMS.map((stream) => [stream, store.mark(n, stream).next]));
  store.setMeta(UNSENT, JSON.stringify({ epoch: name, ...next }));
}

/** Durable when it returns: whatever was given out may be sent from now on. */
export function strikeUnsent(store: Store): void {
  if (store.meta(UNSENT) !== "") store.transaction(() => store.setMeta(UNSENT, ""));
}

/** The cloud holds numbers of this epoch that this file cannot have sent. */
export function isAhead(store: Store, { n, name }: EpochRow, upto: CloudReceipt["upto"]): boolean {
  const unsent = unsentOf(store, name);
  return STREAMS.some((stream) => upto[stream] >= (unsent?.[stream] ?? store.mark(n, stream).next));
}

function unsentOf(store: Store, epoch: string): Record<Stream, number> | undefined {
  const text = store.meta(UNSENT) ?? "";
  if (text === "") return undefined;
  const noted = JSON.parse(text) as Record<Stream, number> & { readonly epoch: string };
  return noted.epoch === epoch ? noted : undefined;
}
