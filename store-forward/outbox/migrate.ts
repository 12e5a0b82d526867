/** The file's schema version: an empty file gets the newest one, an older file is brought there step by step. */
import { BusbarError } from "../../core/errors.ts";
import { APPLICATION_ID, DDL, SCHEMA_VERSION } from "./schema.ts";
import type { Database } from "./sqlite.ts";

/**
 * What brings a file of version n to n + 1, by n. Version 1 is the first. Whoever changes DDL raises SCHEMA_VERSION, adds
 * the step here and a file of the version before to test/fixtures/outbox (its make.ts writes one): that test then fails
 * until its records leave as they did. Records are sealed: a step never changes what they are rebuilt from.
 */
export type Steps = Readonly<Record<number, string>>;
const STEPS: Steps = {
  // Rows hold batches of another form from here on (core/pack-format.ts); those that are there are read as they are.
  1: "",
};

/**
 * Throws BusbarError STORE_CORRUPT when the file is another program's or of a later version. One transaction: a power cut
 * in a migration leaves the old file.
 */
export function prepareSchema(db: Database, newest = SCHEMA_VERSION, steps = STEPS): void {
  const application = Number(db.pragma("application_id", { simple: true }));
  const version = Number(db.pragma("user_version", { simple: true }));
  const tables = db.prepare<[], number>("SELECT count(*) FROM sqlite_schema").pluck().get();
  if (tables === 0 && application === 0 && version === 0) {
    const pragmas = `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${newest};`;
    db.exec(`BEGIN IMMEDIATE; ${DDL} ${pragmas} COMMIT`);
    return;
  }
  if (application !== APPLICATION_ID) throw stranger(`application id ${application} is not an outbox's`);
  if (version > newest) {
    throw stranger(`schema version ${version} is newer than ${newest}, the newest that this version of busbar knows`);
  }
  if (version < newest) migrate(db, version, newest, steps);
}

function migrate(db: Database, version: number, newest: number, steps: Steps): void {
  const sql = Array.from({ length: newest - version }, (_, index) => steps[version + index]);
  if (sql.includes(undefined)) throw stranger(`schema version ${version} has no way to ${newest}`);
  db.exec("BEGIN IMMEDIATE");
  try {
    db.exec(`${sql.join(";\n")}; PRAGMA user_version = ${newest}; COMMIT`);
  } catch (error) {
    if (db.inTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

function stranger(what: string): BusbarError {
  return new BusbarError("STORE_CORRUPT", what);
}
