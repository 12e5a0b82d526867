import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import Sqlite from "better-sqlite3";
import type { Outbox } from "../../../store-forward/outbox/outbox.ts";
import { SCHEMA_VERSION } from "../../../store-forward/outbox/schema.ts";
import { all, type Bench, batch, bench, give, parsed, samplesIn, T0 } from "./support.ts";

/** Eleven records in t (the first three acknowledged), one in c, closed in order. */
function filled(t: TestContext): Bench & { readonly epoch: string; readonly boot: number } {
  const made = bench(t);
  const outbox = made.open();
  for (let i = 0; i < 11; i++) {
    give(outbox, batch(T0 + i * 10_000, [1, i]));
    outbox.commit({ seal: true });
    made.clock.pass(10_000);
  }
  outbox.takeCritical({ kind: "event", t0: T0, body: `"event":{"type":"test"}` });
  for (const record of all(outbox, "t").slice(0, 3)) outbox.ack("t", record);
  outbox.commit({ final: true });
  outbox.close();
  return { ...made, epoch: outbox.epoch, boot: outbox.boot };
}

function expectQuarantine({ clock, epoch, boot, files }: ReturnType<typeof filled>, outbox: Outbox): void {
  assert.notEqual(outbox.epoch, epoch);
  assert.equal(outbox.boot, boot + 1);
  assert.ok(files().includes(`outbox.db.corrupt-${clock.wall}`), files().join());
  const records = parsed(outbox, "c");
  assert.deepEqual(
    records.map(({ seq, gap }) => [seq, gap?.c, gap?.epoch, gap?.from, gap?.to, gap?.samples, gap?.reason]),
    [
      [1, "c", epoch, 1, null, null, "corrupt"],
      [2, "t", epoch, 4, null, null, "corrupt"],
      [3, "b", epoch, 1, null, null, "corrupt"],
    ],
  );
  assert.ok((records[1]?.gap?.t0 ?? 0) <= T0 + 30_000 && (records[1]?.gap?.t1 ?? 0) >= T0 + 100_000);
  const { state, error } = outbox.status();
  assert.equal(state, "ok");
  assert.match(error ?? "", /corrupt-\d+$/);
  give(outbox, batch(T0, [1, 1]));
  outbox.commit();
  assert.deepEqual(
    all(outbox, "t").map(({ seq }) => seq),
    [1],
  );
}

const DAMAGE: Readonly<Record<string, (path: string) => void>> = {
  "garbage in its place": (path) => writeFileSync(path, "no database ".repeat(5000)),
  "the header overwritten": (path) => writeFileSync(path, Buffer.alloc(100, 0xff), { flag: "r+" }),
  "cut in the middle": (path) => truncateSync(path, Math.floor(statSync(path).size / 2048) * 1024),
  "cut to half a page": (path) => truncateSync(path, 500),
  "of a later version": (path) => new Sqlite(path).exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`).close(),
  "of another program": (path) => new Sqlite(path).exec("PRAGMA application_id = 7").close(),
  "a table gone": (path) => new Sqlite(path).exec("DROP TABLE seal").close(),
};

for (const [what, damage] of Object.entries(DAMAGE)) {
  test(`the outbox ${what}: set aside, told, begun anew`, (t) => {
    const made = filled(t);
    damage(made.path);
    expectQuarantine(made, made.open());
  });
}

test("a directory in its place", (t) => {
  const { open, path, files } = bench(t);
  mkdirSync(path);
  const outbox = open();
  assert.equal(outbox.status().state, "ok");
  assert.match(files().join(), /corrupt-/);
  const [gap] = parsed(outbox, "c").map((record) => record.gap);
  assert.deepEqual([gap?.epoch, gap?.from, gap?.to], ["00000000", 1, null], "nobody knows what it was");
});

test("a garbage log beside a good file: the file's content is there", (t) => {
  const made = filled(t);
  writeFileSync(`${made.path}-wal`, Buffer.alloc(70_000, 0x5a));
  const outbox = made.open();
  assert.equal(outbox.epoch, made.epoch);
  assert.equal(all(outbox, "t").length, 8);
});

test("a truncated log: what is whole before the cut is there", (t) => {
  const { open, path, clock } = bench(t);
  const first = open();
  for (let i = 0; i < 10; i++) {
    give(first, batch(T0 + i, [1, i]));
    first.commit({ seal: true });
  }
  const wal = readFileSync(`${path}-wal`);
  const db = readFileSync(path);
  first.close();
  writeFileSync(path, db);
  writeFileSync(`${path}-wal`, wal.subarray(0, wal.length - 700));
  clock.pass(1000);
  const outbox = open();
  assert.equal(outbox.status().state, "ok");
  assert.deepEqual(
    all(outbox, "t").map(({ seq }) => seq),
    [1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
});

test("the file gone: a new epoch, and the loss told", (t) => {
  const made = filled(t);
  writeFileSync(made.path, "");
  const outbox = made.open();
  assert.notEqual(outbox.epoch, made.epoch);
  assert.deepEqual(
    parsed(outbox, "c").map(({ gap }) => gap?.from),
    [1, 4, 1],
  );
});

test("a row that rotted: its records never leave, a gap takes their place, the rest goes on", (t) => {
  const made = filled(t);
  const db = new Sqlite(made.path);
  db.exec("UPDATE packed SET data = zeroblob(length(data)) WHERE id = (SELECT row_from FROM seal WHERE seq_from = 6)");
  db.exec("UPDATE packed SET t_min = t_min + 1 WHERE id = (SELECT row_from FROM seal WHERE seq_from = 7)");
  db.exec("UPDATE record SET plain = CAST(replace(plain, 'test', 'tess') AS BLOB)");
  db.close();
  const outbox = made.open();
  assert.deepEqual(
    all(outbox, "t").map(({ seq }) => seq),
    [4, 5, 8, 9, 10, 11],
  );
  assert.equal(all(outbox, "c").length, 0);
  assert.equal(outbox.urgent, true);
  outbox.commit();
  const gaps = parsed(outbox, "c").map(({ gap }) => [
    gap?.c,
    gap?.epoch,
    gap?.from,
    gap?.to,
    gap?.samples,
    gap?.reason,
  ]);
  assert.deepEqual(gaps, [
    ["t", made.epoch, 6, 6, 1, "corrupt"],
    ["t", made.epoch, 7, 7, 1, "corrupt"],
    ["c", made.epoch, 1, 1, null, "corrupt"],
  ]);
  assert.equal(outbox.status().drops.corrupt, 2);
  for (const record of all(outbox, "t")) outbox.ack("t", record);
  outbox.commit();
  assert.deepEqual(outbox.status().streams.t, { next: 12, acked: 11 });
});

test("an unsealed row that rotted: dropped under a gap, its neighbours are sealed", (t) => {
  const { open, path } = bench(t);
  const first = open();
  for (let i = 0; i < 4; i++) {
    give(first, batch(T0 + i * 1000, [1, i]));
    first.commit();
  }
  first.close();
  new Sqlite(path).exec("UPDATE packed SET crc = crc + 1 WHERE id = 3").close();
  const outbox = open();
  outbox.commit({ final: true });
  const values = parsed(outbox, "t").map(({ g }) => g?.[0]?.s["Power.Active.Import"]);
  assert.deepEqual(values, [[0], [1, 3]]);
  const [gap] = parsed(outbox, "c").map((record) => record.gap);
  assert.deepEqual([gap?.reason, gap?.from, gap?.samples, gap?.t0], ["corrupt", null, 1, T0 + 2000]);
});

/** A closed outbox of sixty records, and how many pages it has. */
function sixty(t: TestContext) {
  const { open, path, files } = bench(t);
  const outbox = open();
  for (let i = 0; i < 60; i++) {
    give(outbox, batch(T0 + i, [1, i]));
    outbox.commit({ seal: true });
  }
  outbox.close();
  return { open, path, files, pages: statSync(path).size / 1024 };
}

test("damage found while running: begun anew within the process, nothing in memory is lost", (t) => {
  const { open, path, files, pages } = sixty(t);
  const outbox = open();
  const { boot, epoch } = outbox;
  for (let page = 2; page < pages; page++) writeAt(path, page * 1024, Buffer.alloc(1024, 0xee));
  for (let i = 0; i < 20; i++) {
    give(outbox, batch(T0 + 5000 + i, [1, i]));
    outbox.commit({ seal: true });
    all(outbox, "t");
  }
  assert.notEqual(outbox.epoch, epoch);
  assert.equal(outbox.boot, boot, "no new start");
  assert.match(files().join(), /corrupt-/);
  assert.equal(outbox.status().state, "ok");
  assert.equal(outbox.status().durable_until, T0 + 5019);
  assert.deepEqual(
    parsed(outbox, "c").map(({ gap }) => [gap?.epoch, gap?.reason]),
    Array(3).fill([epoch, "corrupt"]),
  );
});

test("damage found while running: what was committed and not sealed is in memory, and is stored again", (t) => {
  const { open, path, files, pages } = sixty(t);
  const outbox = open();
  const { epoch } = outbox;
  // The first values of a start are sealed at once.
  give(outbox, batch(T0 + 4000, [1, 999]));
  outbox.commit();
  for (let page = 2; page < pages; page++) writeAt(path, page * 1024, Buffer.alloc(1024, 0xee));
  const given: number[] = [];
  // Commits that seal nothing: they meet the damage sooner or later, by what they read or by what is read beside them.
  for (let i = 0; i < 30; i++) {
    give(outbox, batch(T0 + 5000 + i, [1, 1000 + i]));
    given.push(1000 + i);
    outbox.commit();
    if (i % 10 === 9) all(outbox, "t");
  }
  assert.notEqual(outbox.epoch, epoch);
  assert.match(files().join(), /corrupt-/);
  outbox.commit({ seal: true });
  const fresh = parsed(outbox, "t").filter((record) => record.epoch === outbox.epoch);
  assert.deepEqual(
    samplesIn(fresh).map((text) => Number(text.split(" ")[3])),
    given,
  );
});

test("at most three damaged files are kept", (t) => {
  const { open, path, clock, files } = bench(t);
  for (let i = 0; i < 6; i++) {
    clock.pass(1000);
    open().close();
    writeFileSync(path, "garbage".repeat(1000));
  }
  open();
  assert.equal(files().filter((name) => name.includes("corrupt")).length, 3);
});

function writeAt(path: string, position: number, bytes: Buffer): void {
  const whole = readFileSync(path);
  bytes.copy(whole, position);
  writeFileSync(path, whole, { flag: "r+" });
}

test("a folder that cannot be made: told at once, not tried for ever", () => {
  const script = `
    import { openStore } from ${JSON.stringify(import.meta.resolve("../../../store-forward/outbox/recovery.ts"))};
    try {
      openStore("/proc/busbar/a/outbox.db", 0);
    } catch (error) {
      process.stdout.write(error.message);
    }`;
  const { stdout, signal } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
    timeout: 10_000,
  });
  assert.deepEqual([signal, stdout.toString().includes("/proc/busbar/a")], [null, true], stdout.toString());
});
