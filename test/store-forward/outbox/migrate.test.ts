import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import { STREAMS } from "../../../core/record.ts";
import { prepareSchema, type Steps } from "../../../store-forward/outbox/migrate.ts";
import type { Outbox } from "../../../store-forward/outbox/outbox.ts";
import { SCHEMA_VERSION } from "../../../store-forward/outbox/schema.ts";
import { all, batch, bench, give, parsed, T0 } from "./support.ts";

/** After the last moment in the files, and not so long that the gap in them is told unasked. */
const LATER = T0 + 60_000;
const FOLDER = join(import.meta.dirname, "../../fixtures/outbox");
const VERSIONS = readdirSync(FOLDER).flatMap((name) => /^v(\d+)\.db$/.exec(name)?.[1] ?? []);

function recordsOf(version: string): string[] {
  return readFileSync(join(FOLDER, `v${version}.records`), "utf8")
    .trimEnd()
    .split("\n");
}

function lines(outbox: Outbox): string[] {
  return STREAMS.flatMap((stream) => all(outbox, stream)).map(({ plain }) => plain.toString());
}

test("a file of every schema version there was lies in test/fixtures/outbox", () => {
  assert.deepEqual(
    VERSIONS.map(Number).sort((a, b) => a - b),
    Array.from({ length: SCHEMA_VERSION }, (_, i) => i + 1),
  );
});

for (const version of VERSIONS) {
  test(`an outbox file of schema version ${version}: its records leave as they were, and it goes on`, (t) => {
    const { open, path, clock, files } = bench(t);
    cpSync(join(FOLDER, `v${version}.db`), path);
    clock.wall = LATER;
    const outbox = open();
    const expected = recordsOf(version);
    assert.ok(expected.length > 10);
    assert.deepEqual(lines(outbox), expected);
    assert.deepEqual(
      files().filter((name) => name.includes("corrupt")),
      [],
    );
    assert.equal(outbox.status().error, undefined);
    const last = all(outbox, "t").at(-1);
    assert.equal(outbox.epoch, last?.epoch);
    give(outbox, batch(clock.wall, [1, 1]));
    outbox.commit({ final: true });
    assert.equal(all(outbox, "t").at(-1)?.seq, (last?.seq ?? 0) + 1);
    assert.equal(parsed(outbox, "c").at(-1)?.gap?.samples, 12, "the gap that was growing");
    for (const stream of STREAMS) for (const record of all(outbox, stream)) outbox.ack(stream, record);
    outbox.commit();
    assert.equal(outbox.status().waiting, 0);
  });
}

const STEPS: Steps = {
  1: "CREATE TABLE first(a); INSERT INTO first VALUES(1)",
  2: "ALTER TABLE first ADD COLUMN b; UPDATE first SET b = a + 1",
};

/** A copy of the first version's file. */
function copyOf(path: string): InstanceType<typeof Sqlite> {
  cpSync(join(FOLDER, "v1.db"), path);
  return new Sqlite(path);
}

function shapeOf(db: InstanceType<typeof Sqlite>): unknown {
  return [db.pragma("user_version", { simple: true }), db.prepare("SELECT sql FROM sqlite_schema").all()];
}

test("migration steps run in order, once, and leave the records alone", (t) => {
  const { path, open, clock } = bench(t);
  clock.wall = LATER;
  const db = copyOf(path);
  prepareSchema(db, 3, STEPS);
  prepareSchema(db, 3, STEPS);
  assert.equal(db.pragma("user_version", { simple: true }), 3);
  assert.deepEqual(db.prepare("SELECT * FROM first").all(), [{ a: 1, b: 2 }]);
  db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}; DROP TABLE first`);
  db.close();
  assert.deepEqual(lines(open()), recordsOf("1"));
});

test("a migration that fails leaves the old file", (t) => {
  const db = copyOf(bench(t).path);
  const before = shapeOf(db);
  assert.throws(() => prepareSchema(db, 3, { ...STEPS, 2: "UPDATE first SET b = 1" }), /no such column/);
  assert.deepEqual(shapeOf(db), before);
  db.close();
});

test("a version without a way to ours is refused before anything is changed", (t) => {
  const db = copyOf(bench(t).path);
  const before = shapeOf(db);
  assert.throws(() => prepareSchema(db, 4, STEPS), /schema version 1 has no way to 4/);
  assert.deepEqual(shapeOf(db), before);
  db.close();
});

test("a file of a later version: set aside as it is, and the message says so", (t) => {
  const { open, path, clock, dir } = bench(t);
  const later = copyOf(path);
  later.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
  later.close();
  const { size } = statSync(path);
  const outbox = open();
  assert.match(
    outbox.status().error ?? "",
    /outbox .* was set aside \(schema version 3 is newer than 2, the newest that this version of busbar knows\)/,
  );
  assert.equal(outbox.status().state, "ok");
  assert.equal(statSync(join(dir, `outbox.db.corrupt-${clock.wall}`)).size, size);
});
