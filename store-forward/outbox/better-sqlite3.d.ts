/** The part of better-sqlite3 13 that the outbox uses; the package brings no types. */
declare module "better-sqlite3" {
  interface Statement<P extends unknown[], R> {
    run(...parameters: P): { readonly changes: number; readonly lastInsertRowid: number | bigint };
    get(...parameters: P): R | undefined;
    all(...parameters: P): R[];
    iterate(...parameters: P): IterableIterator<R>;
    pluck(): this;
    /** Rows as arrays. */
    raw(): this;
  }
  class Database {
    constructor(filename: string, options?: { readonly timeout?: number });
    readonly open: boolean;
    readonly inTransaction: boolean;
    prepare<P extends unknown[], R>(sql: string): Statement<P, R>;
    pragma(source: string, options: { readonly simple: true }): unknown;
    exec(sql: string): this;
    close(): this;
  }
  namespace Database {
    export type { Database, Statement };
  }
  export default Database;
}
