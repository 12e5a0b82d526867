/** What a damaged file still holds leaves after all, as it was sealed. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Sqlite from "better-sqlite3";
import { STREAMS } from "../../../core/record.ts";
import type { Outbox } from "../../../store-forward/outbox/outbox.ts";
import type { SealedRecord } from "../../../store-forward/queue.ts";
import { all, type Bench, batch, bench, give, MIB, parsed, T0 } from "./support.ts";
import { PAGE, rootOfGaps, tear } from "./tear.ts";

interface Filled extends Bench {
  readonly epoch: string;
  /** Records that were not acknowledged, by `stream seq`. */
  readonly bytes: ReadonlyMap<string, string>;
}

/** Records of both streams, of two boots; the first ten of telemetry acknowledged; closed in order. */
function filled(t: TestContext, count = 120): Filled {
  const made = bench(t);
  let outbox = made.open();
  for (let i = 0; i < count; i++) {
    if (i === count / 2) outbox = made.open();
    give(outbox, batch(made.clock.wall, [1, i], [3, randomBytes(400).toString("base64")]));
    if (i % 4 === 0) outbox.takeCritical({ kind: "event", t0: T0, body: `"event":{"type":"n${i}"}` });
    outbox.commit({ seal: true });
    made.clock.pass(1000);
  }
  for (const record of all(outbox, "t").slice(0, 10)) outbox.ack("t", record);
  outbox.commit();
  const bytes = new Map<string, string>();
  for (const stream of STREAMS) {
    for (const { seq, plain } of all(outbox, stream)) bytes.set(`${stream} ${seq}`, plain.toString());
  }
  outbox.close();
  return { ...made, epoch: outbox.epoch, bytes };
}

function settle(outbox: Outbox, logs: Bench["logs"]): void {
  for (let i = 0; i < 400 && !ended(logs); i++) outbox.commit();
  assert.ok(ended(logs), "salvage ends");
}

function ended(logs: Bench["logs"]): boolean {
  return logs.some(({ text }) => /salvage .* has ended/.test(text));
}

/** What came over, by `stream seq`; none of it may differ from what was sealed. */
function recovered({ epoch, bytes }: Filled, outbox: Outbox): string[] {
  const found: string[] = [];
  for (const stream of STREAMS) {
    for (const record of all(outbox, stream).filter((one) => one.epoch === epoch)) {
      const id = `${stream} ${record.seq}`;
      assert.equal(record.plain.toString(), bytes.get(id), id);
      found.push(id);
    }
  }
  return found;
}

test("a file with one torn page: all its records leave after all, as they were, before the new ones", (t) => {
  const made = filled(t);
  tear(made.path, [rootOfGaps(made.path)]);
  const outbox = made.open();
  give(outbox, batch(made.clock.wall, [1, 1]));
  outbox.commit();
  assert.notEqual(outbox.epoch, made.epoch);
  assert.equal(all(outbox, "t").filter(({ epoch }) => epoch === outbox.epoch).length, 1, "nobody waits for salvage");
  settle(outbox, made.logs);
  assert.deepEqual(recovered(made, outbox), [...made.bytes.keys()]);
  assert.deepEqual(
    [...new Set(all(outbox, "t").map(({ epoch }) => epoch))],
    [made.epoch, outbox.epoch],
    "the old epoch goes first",
  );
  const told = parsed(outbox, "c").filter(({ gap }) => gap !== undefined);
  assert.deepEqual(
    told.map(({ gap }) => [gap?.c, gap?.epoch, gap?.from, gap?.to]),
    [
      ["c", made.epoch, 1, null],
      ["t", made.epoch, 11, null],
      ["b", made.epoch, 1, null],
    ],
    "what was told stands: readers use the union",
  );
  for (const stream of STREAMS) for (const record of all(outbox, stream)) outbox.ack(stream, record);
  outbox.commit();
  assert.equal(outbox.status().waiting, 0);
  assert.equal(made.open().status().waiting, 0);
});

test("torn pages: what is intact comes over, what is not never leaves, and no seed stops it", (t) => {
  const seeds = process.env.BUSBAR_SEED === undefined ? [1, 2, 3, 4] : [Number(process.env.BUSBAR_SEED)];
  let shares = 0;
  for (const seed of seeds) {
    const made = filled(t, 60);
    const pages = statSync(made.path).size / PAGE;
    // From the third of the file on: headers and roots of tables are what other tests tear.
    const torn = Array.from({ length: 5 }, (_, i) => 30 + ((seed * 7919 + i * 104_729) % (pages - 30)));
    tear(made.path, [rootOfGaps(made.path), ...torn]);
    const outbox = made.open();
    settle(outbox, made.logs);
    const found = recovered(made, outbox);
    shares += found.length / made.bytes.size / seeds.length;
    t.diagnostic(`seed ${seed}: ${found.length} of ${made.bytes.size} records, ${torn.length} of ${pages} pages torn`);
    for (const stream of STREAMS) for (const record of all(outbox, stream)) outbox.ack(stream, record);
    outbox.commit({ final: true });
    for (const record of all(outbox, "c")) outbox.ack("c", record);
    outbox.commit();
    assert.equal(outbox.status().waiting, 0, `seed ${seed}`);
    outbox.close();
  }
  assert.ok(shares > 0.5, `${shares}`);
});

test("readers that are ahead get late records next, each once, and then go on where they were", (t) => {
  const made = filled(t);
  tear(made.path, [rootOfGaps(made.path)]);
  const outbox = made.open();
  const given = { c: [] as SealedRecord[], t: [] as SealedRecord[] };
  for (let i = 0; i < 300; i++) {
    give(outbox, batch(made.clock.wall, [1, i]));
    outbox.takeCritical({ kind: "event", t0: made.clock.wall, body: `"event":{"type":"n${i}"}` });
    outbox.commit({ seal: true });
    made.clock.pass(1000);
    for (const stream of ["c", "t"] as const) {
      assert.ok(outbox.read(stream, undefined, 1).length === 1, "another reader, who looks at the oldest");
      given[stream].push(...outbox.read(stream, given[stream].at(-1), 20));
    }
  }
  for (const stream of ["c", "t"] as const) {
    const ids = given[stream].map(({ epoch, seq }) => `${epoch} ${seq}`);
    assert.equal(new Set(ids).size, ids.length, "none twice");
    const expected = all(outbox, stream).map(({ epoch, seq }) => `${epoch} ${seq}`);
    assert.deepEqual(ids.toSorted(), expected.toSorted());
  }
  assert.ok(
    given.t.findIndex(({ epoch }) => epoch === outbox.epoch) <
      given.t.findLastIndex(({ epoch }) => epoch === made.epoch),
    "new ones did not wait",
  );
});

test("records that rotted stay behind and hold nothing up", (t) => {
  const made = filled(t, 24);
  const db = new Sqlite(made.path);
  for (const seq of [11, 21]) {
    db.exec(`UPDATE packed SET crc = 0 WHERE id = (SELECT row_from FROM seal WHERE seq_from = ${seq})`);
  }
  db.exec("UPDATE record SET plain = CAST(replace(plain, 'n8', 'n9') AS BLOB)");
  db.close();
  tear(made.path, [rootOfGaps(made.path)]);
  const outbox = made.open();
  settle(outbox, made.logs);
  const rotted = ["c 3", "t 11", "t 12", "t 21", "t 22"];
  assert.deepEqual(
    recovered(made, outbox),
    [...made.bytes.keys()].filter((id) => !rotted.includes(id)),
  );
  outbox.commit({ final: true });
  assert.equal(parsed(outbox, "c").filter(({ gap }) => gap !== undefined).length, 3, "told once");
  for (const stream of STREAMS) for (const record of all(outbox, stream)) outbox.ack(stream, record);
  outbox.commit();
  assert.equal(outbox.status().waiting, 0);
});

test("salvage goes in small steps, and goes on after a kill: nothing twice", (t) => {
  const made = filled(t);
  tear(made.path, [rootOfGaps(made.path)]);
  let outbox = made.open();
  let before = 0;
  for (let i = 0; i < 200 && !ended(made.logs); i++) {
    const stored = STREAMS.reduce((sum, stream) => sum + all(outbox, stream).length, 0);
    assert.equal(outbox.status().waiting, stored, "nothing waits that is not there");
    outbox.commit();
    const now = recovered(made, outbox).length;
    assert.ok(now - before <= 4 * 16, `${now - before} records in one commit`);
    before = now;
    if (i % 7 === 6) outbox = made.open();
  }
  assert.ok(ended(made.logs));
  assert.deepEqual(recovered(made, outbox), [...made.bytes.keys()]);
});

test("a file that is beyond reading, empty, or gone: salvage ends, the outbox goes on", (t) => {
  const ends: ((path: string) => void)[] = [
    (path) => writeFileSync(path, "no database ".repeat(5000)),
    (path) => truncateSync(path, 500),
    (path) => rmSync(path),
    (path) => new Sqlite(path).exec("PRAGMA user_version = 99").close(),
  ];
  for (const end of ends) {
    const made = filled(t, 8);
    tear(made.path, [rootOfGaps(made.path)]);
    const first = made.open();
    first.close();
    made.logs.length = 0;
    const aside = made.files().find((name) => /corrupt-\d+$/.test(name)) ?? "";
    const { size } = statSync(join(made.dir, aside));
    assert.ok(size > 0);
    end(join(made.dir, aside));
    const outbox = made.open();
    give(outbox, batch(made.clock.wall, [1, 1]));
    outbox.commit();
    settle(outbox, made.logs);
    assert.equal(outbox.status().state, "ok");
    assert.equal(all(outbox, "t").at(-1)?.epoch, outbox.epoch);
  }
});

test("no room: what is new is not dropped for what is old, which waits", (t) => {
  const made = filled(t, 120);
  tear(made.path, [rootOfGaps(made.path)]);
  let outbox = made.open({ budget: { maxBytes: 9.1 * MIB, minFreeBytes: 0 } });
  for (let i = 0; i < 400; i++) outbox.commit();
  assert.equal(outbox.status().drops.full, 0);
  const found = recovered(made, outbox);
  assert.ok(found.length < made.bytes.size, `${found.length}`);
  assert.equal(outbox.status().salvage?.records, found.length);
  outbox = made.open();
  settle(outbox, made.logs);
  assert.deepEqual(recovered(made, outbox), [...made.bytes.keys()]);
});

test("what the cloud has already is not taken over again", (t) => {
  const made = filled(t, 24);
  // As a log leaves it of which only the first pages reached the disk: acknowledged, and not deleted.
  const db = new Sqlite(made.path);
  db.exec("UPDATE mark SET acked = 31 WHERE stream = 't'");
  db.close();
  tear(made.path, [rootOfGaps(made.path)]);
  const outbox = made.open();
  settle(outbox, made.logs);
  const owed = [...made.bytes.keys()].filter((id) => !id.startsWith("t ") || Number(id.slice(2)) > 31);
  assert.deepEqual(recovered(made, outbox), owed);
  const { fields } = made.logs.find(({ text }) => /salvage .* has ended/.test(text)) ?? {};
  assert.equal(fields?.records, owed.length + 1, "a seal of which the cloud has one record of two comes over whole");
});

test("the file set aside cannot be opened for now: its records are not given up", (t) => {
  const made = filled(t, 8);
  tear(made.path, [rootOfGaps(made.path)]);
  const first = made.open();
  const { salvage } = first.status();
  assert.ok(salvage !== undefined && salvage.records < made.bytes.size, "not all of it is here yet");
  first.close();
  const other = new Sqlite(join(made.dir, salvage.file));
  other.exec("BEGIN EXCLUSIVE");
  const outbox = made.open();
  for (let i = 0; i < 20; i++) assert.equal(outbox.commit(), true);
  assert.deepEqual([ended(made.logs), outbox.status().salvage], [false, salvage]);
  other.exec("ROLLBACK");
  other.close();
  settle(outbox, made.logs);
  assert.deepEqual(recovered(made, outbox), [...made.bytes.keys()]);
});
