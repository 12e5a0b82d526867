/** Dead letters: records that the cloud will never take, kept for a person. Their loss is told by a gap already. */
import type { Store } from "./store.ts";

/** A few at a time, as with critical records. */
const BATCH = 16;

/** Inside a transaction that needs room: the oldest go. False when there are none. */
export function dropOldestDead(store: Store): boolean {
  const sql = "DELETE FROM dead WHERE id IN (SELECT id FROM dead ORDER BY id LIMIT ?)";
  return store.run(store.prepare<[number]>(sql), BATCH).changes > 0;
}
