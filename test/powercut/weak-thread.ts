/**
 * A control, not the product: the storage thread on an SQLite that is told another `synchronous` (the worker's first
 * argument) than the outbox asks for, and that answers its question as if it had obeyed.
 */
import BetterSqlite3 from "better-sqlite3";

const [, , weakness = ""] = process.argv;
if (!["NORMAL", "OFF"].includes(weakness)) throw new RangeError(`synchronous = ${weakness} is no control`);
const FULL = 2;
const prototype = BetterSqlite3.prototype;
const pragma = prototype.pragma;

prototype.pragma = function weakened(this: BetterSqlite3.Database, source, options) {
  if (source === "synchronous") return FULL;
  return pragma.call(this, source === "synchronous = FULL" ? `synchronous = ${weakness}` : source, options);
};

// After the change above: the thread opens its database while it is being loaded.
await import("../../store-forward/thread.ts");
