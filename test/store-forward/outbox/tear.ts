import { closeSync, openSync, writeSync } from "node:fs";
import Sqlite from "better-sqlite3";

export const PAGE = 1024;

/** Overwrites pages as a cut in the middle of a write does. */
export function tear(path: string, pages: readonly number[]): void {
  const file = openSync(path, "r+");
  for (const page of pages) writeSync(file, Buffer.alloc(PAGE / 2, 0xee), 0, PAGE / 2, (page - 1) * PAGE);
  closeSync(file);
}

/** Without this page nothing can be committed, and all records are readable. */
export function rootOfGaps(path: string): number {
  const db = new Sqlite(path);
  const root = db.prepare<[], number>("SELECT rootpage FROM sqlite_schema WHERE name = 'gap'").pluck().get();
  db.close();
  return root ?? 0;
}
