/** Births in the file: they say what the numbers in packed rows stand for, and their id is their checksum. */
import { birthIdOf } from "../../core/signals.ts";
import type { Store } from "./store.ts";

interface BirthRow {
  readonly row: number;
  readonly id: string;
  readonly payload: Uint8Array;
}

/**
 * Inside the transaction of a start, before it notes its own birth: a birth that rotted goes, for it would give samples
 * the names of others. If it is our own it is noted anew, and the rows of older boots that it tells of are right again.
 */
export function dropRottedBirths(store: Store): void {
  const all = store.prepare<[], BirthRow>("SELECT rowid AS row, id, payload FROM birth").all();
  for (const { row, id, payload } of all) {
    if (payload instanceof Uint8Array && birthIdOf(payload) === id) continue;
    store.run(store.prepare<[number]>("DELETE FROM birth WHERE rowid = ?"), row);
  }
}
