/** The one place that opens SQLite: pragmas set at every open and read back, its errors sorted by what to do. */
import BetterSqlite3 from "better-sqlite3";
import { BusbarError, systemCode } from "../../core/errors.ts";

export type Database = BetterSqlite3.Database;
export type Statement<P extends unknown[], R> = BetterSqlite3.Statement<P, R>;

/**
 * Measured at 1,000 samples per second in one row a second: pages of 1 KiB cost 14 device bytes per sample, of 4 KiB 25
 * (a commit rewrites whole pages, twice). Only a new file takes it.
 */
export const PAGE_BYTES = 1024;
/** A longer log folds more rewrites of the same page into one (4,000: 1 % less), but belongs to the budget on disk. */
const CHECKPOINT_PAGES = 2000;
/** What the log may take on disk: a full one and the largest transaction on top. */
export const WAL_BYTES = 4 * 1024 * 1024;

/**
 * Opens a database for this process alone: a second gateway on the same outbox would use the same numbers twice.
 * Throws SqliteError, or BusbarError STORE_UNWRITABLE when the file system cannot hold what durability needs.
 */
export function openSqlite(path: string): Database {
  const db = new BetterSqlite3(path, { timeout: 0 });
  try {
    db.pragma("locking_mode = EXCLUSIVE", { simple: true });
    db.pragma(`page_size = ${PAGE_BYTES}`, { simple: true });
    expectPragma(db, path, "journal_mode", "wal", "WAL");
    // This build runs WAL at NORMAL unless told, which loses committed rows in a power cut.
    expectPragma(db, path, "synchronous", 2, "FULL");
    expectPragma(db, path, "wal_autocheckpoint", CHECKPOINT_PAGES, String(CHECKPOINT_PAGES));
    expectPragma(db, path, "journal_size_limit", WAL_BYTES, String(WAL_BYTES));
    db.pragma("cache_size = -2000", { simple: true });
    db.exec("BEGIN IMMEDIATE; COMMIT");
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function expectPragma(db: Database, path: string, name: string, wanted: unknown, setting: string): void {
  db.pragma(`${name} = ${setting}`, { simple: true });
  const got = db.pragma(name, { simple: true });
  if (got === wanted) return;
  throw new BusbarError("STORE_UNWRITABLE", `outbox ${path}: ${name} is ${String(got)}, not ${setting}`, {
    remedy: "put store.path on a local file system (ext4, xfs, btrfs, f2fs)",
  });
}

/** `corrupt`: the content is at fault, set it aside; `unwritable`: the medium, try again; `internal`: we are. */
export type StoreFault = "corrupt" | "full" | "unwritable" | "internal";

export function faultOf(error: unknown): StoreFault {
  if (error instanceof BusbarError) return error.code === "STORE_CORRUPT" ? "corrupt" : "unwritable";
  const code = systemCode(error);
  if (code === undefined) return "internal";
  if (code === "SQLITE_FULL" || code === "ENOSPC") return "full";
  // A missing table, a doubled key, a value of the wrong type: not a file as we write it.
  if (/^SQLITE_(CORRUPT|NOTADB|ERROR|CONSTRAINT|MISMATCH|FORMAT|IOERR_CORRUPTFS)/.test(code)) return "corrupt";
  return code.startsWith("SQLITE_") || /^E[A-Z]+$/.test(code) ? "unwritable" : "internal";
}
