/** One open database file: statements, transactions, size, log. Its tables are store.ts's. */
import type { Database, Statement } from "./sqlite.ts";
import { PAGE_BYTES } from "./sqlite.ts";

interface Size {
  readonly fileBytes: number;
  readonly usedBytes: number;
}

export class DbFile {
  readonly #db: Database;
  readonly #begin: Statement<[], never>;
  readonly #commit: Statement<[], never>;
  readonly #pages: Statement<[], number>;
  readonly #freePages: Statement<[], number>;
  /** Undefined: not asked since something was written. */
  #size: Size | undefined;

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
      this.forget();
      if (this.#db.inTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  /** Bytes of the database file, and those in it that hold something. */
  size(): Size {
    if (this.#size === undefined) {
      const [pages, free] = [this.#pages.get() ?? 0, this.#freePages.get() ?? 0];
      this.#size = { fileBytes: pages * PAGE_BYTES, usedBytes: (pages - free) * PAGE_BYTES };
    }
    return this.#size;
  }

  /** Moves the log into the database, in place, so that a full disk leaves room to work in. */
  checkpoint(): void {
    this.#db.pragma("wal_checkpoint(RESTART)", { simple: true });
  }

  close(): void {
    this.#db.close();
  }

  /**
   * SQLite is built to look at bound values for its plans (STAT4), and compiles a statement anew, which takes ten times
   * as long as running it, when one of them changes. Behind a plus it does not look, and the plans are the same.
   */
  prepare<P extends unknown[], R = never>(sql: string): Statement<P, R> {
    return this.#db.prepare<P, R>(sql.replaceAll("?", "+?"));
  }

  /** A commit that failed may have arrived on disk or not: what is known of the file must be asked anew. */
  protected forget(): void {
    this.#size = undefined;
  }

  /** Runs a statement that writes: every one goes through here. */
  run<P extends unknown[]>(statement: Statement<P, never>, ...values: P): RunResult {
    this.#size = undefined;
    return statement.run(...values);
  }
}

type RunResult = ReturnType<Statement<unknown[], never>["run"]>;
