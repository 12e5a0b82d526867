/** One open database file: transactions, size, log. Its tables are store.ts's. */
import type { Database, Statement } from "./sqlite.ts";
import { PAGE_BYTES } from "./sqlite.ts";

export class DbFile {
  readonly #db: Database;
  readonly #begin: Statement<[], never>;
  readonly #commit: Statement<[], never>;
  readonly #pages: Statement<[], number>;
  readonly #freePages: Statement<[], number>;

  constructor(db: Database) {
    this.#db = db;
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#commit = db.prepare("COMMIT");
    this.#pages = db.prepare<[], number>("PRAGMA page_count").pluck();
    this.#freePages = db.prepare<[], number>("PRAGMA freelist_count").pluck();
  }

  /** Runs `body` in one durable transaction; whatever it throws is thrown after the rollback. */
  transaction<T>(body: () => T): T {
    this.#begin.run();
    try {
      const result = body();
      this.#commit.run();
      return result;
    } catch (error) {
      if (this.#db.inTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  /** Bytes of the database file, and those in it that hold something. */
  size(): { readonly fileBytes: number; readonly usedBytes: number } {
    const [pages, free] = [this.#pages.get() ?? 0, this.#freePages.get() ?? 0];
    return { fileBytes: pages * PAGE_BYTES, usedBytes: (pages - free) * PAGE_BYTES };
  }

  /** Moves the log into the database, in place, so that a full disk leaves room to work in. */
  checkpoint(): void {
    this.#db.pragma("wal_checkpoint(RESTART)", { simple: true });
  }

  close(): void {
    this.#db.close();
  }
}
