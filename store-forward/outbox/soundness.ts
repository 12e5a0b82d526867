/**
 * What must hold in a file before anything in it is believed. Rows, seals and records carry checksums; the few small
 * tables that say what their numbers mean do not, and SQLite does not notice a flipped bit in any of them. One in the
 * text of the schema alone made SQLite forget all epochs: the same numbers were given out again.
 */
import { BusbarError } from "../../core/errors.ts";
import { STREAMS } from "../../core/record.ts";
import { MAX_BOOT } from "../boot.ts";
import { DDL, type MarkRow } from "./schema.ts";
import { RottedSeal } from "./seal-sum.ts";
import type { Database } from "./sqlite.ts";
import type { Store } from "./store.ts";

/** As SQLite keeps it: a migration that changes a table leaves the text that DDL has. */
const TABLES = DDL.split(";").map((sql) => sql.trim());

/** Throws BusbarError STORE_CORRUPT: such a file is set aside, and what carries checksums is salvaged. */
export function expectSound(db: Database, store: Store): void {
  const found = db.prepare<[], string | null>("SELECT sql FROM sqlite_schema").pluck().all();
  for (const sql of TABLES) if (sql !== "" && !found.includes(sql)) throw rotted(`no such table: ${sql.slice(0, 60)}`);
  if (store.newestBoot() > MAX_BOOT) throw rotted(`boot ${store.newestBoot()} is out of range`);
  const epochs = new Set(store.epochs().map(({ n }) => n));
  for (const mark of store.marks()) {
    if (!epochs.has(mark.epoch) || !STREAMS.includes(mark.stream)) throw rotted(`${nameOf(mark)} of nothing`);
    if (!isRange(mark)) throw rotted(`${nameOf(mark)} is ${mark.acked} of ${mark.next}`);
    // What is salvaged is deleted a commit later.
    const first = store.isSalvaged(mark.epoch) ? undefined : firstOf(store, mark);
    if (first !== undefined && first <= mark.acked) throw rotted(`${nameOf(mark)} is ${mark.acked}, ${first} is here`);
  }
}

function isRange({ acked, next }: MarkRow): boolean {
  return Number.isSafeInteger(acked) && Number.isSafeInteger(next) && acked >= 0 && acked < next;
}

/** Whatever lies below the mark is deleted in the transaction that writes it. */
function firstOf(store: Store, { stream, epoch }: MarkRow): number | undefined {
  try {
    if (stream === "c") return store.firstSeqAfter(stream, epoch, 0);
    const seal = store.sealAfter(stream, epoch, 0);
    return seal?.epoch === epoch ? seal.seq_to : undefined;
  } catch (error) {
    // That one can be mended.
    if (error instanceof RottedSeal) return undefined;
    throw error;
  }
}

function nameOf({ epoch, stream }: MarkRow): string {
  return `the mark of epoch ${epoch} stream ${stream}`;
}

function rotted(what: string): BusbarError {
  return new BusbarError("STORE_CORRUPT", `outbox is damaged: ${what}`);
}
