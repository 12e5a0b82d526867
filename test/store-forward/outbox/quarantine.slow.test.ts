/** Setting a damaged file aside is interrupted, repeated, or meets what others left: what it holds leaves after all. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Sqlite from "better-sqlite3";
import type { Outbox } from "../../../store-forward/outbox/outbox.ts";
import { all, type Bench, batch, bench, give, MIB, parsed } from "./support.ts";
import { rootOfGaps, tear } from "./tear.ts";

const RECORDS = 10;

interface Damaged extends Bench {
  readonly epoch: string;
}

/** Ten records, and a torn page: to be set aside, with all of them to salvage. */
function damaged(t: TestContext, made = bench(t), path = made.path): Damaged {
  const outbox = made.open({ path });
  for (let i = 0; i < RECORDS; i++) sample(outbox, made, i);
  outbox.close();
  tear(path, [rootOfGaps(path)]);
  return { ...made, epoch: outbox.epoch };
}

function sample(outbox: Outbox, { clock }: Bench, value: number): void {
  give(outbox, batch(clock.wall, [1, value]));
  outbox.commit({ seal: true });
  clock.pass(1000);
}

function settle(outbox: Outbox, { clock }: Bench): void {
  for (let i = 0; i < 100 && outbox.status().salvage !== undefined; i++) {
    clock.pass(4000);
    outbox.commit();
  }
  assert.equal(outbox.status().salvage, undefined, "salvage ends");
}

function expectSalvaged(outbox: Outbox, { epoch }: Damaged): void {
  const old = all(outbox, "t").filter((record) => record.epoch === epoch);
  assert.deepEqual(
    old.map(({ seq }) => seq),
    Array.from({ length: RECORDS }, (_, i) => i + 1),
  );
}

function asides({ files }: Bench): string[] {
  return files().filter((name) => /corrupt-\d+$/.test(name));
}

const KILLED: Readonly<Record<string, (made: Damaged) => void>> = {
  "between the rename and the new file": ({ path, clock }) => renameSync(path, `${path}.corrupt-${clock.wall}`),
  "when the new file was empty": ({ path, clock }) => {
    renameSync(path, `${path}.corrupt-${clock.wall}`);
    writeFileSync(path, "");
  },
  "between the two, and the boot file lost": ({ path, clock }) => {
    renameSync(path, `${path}.corrupt-${clock.wall}`);
    writeFileSync(`${path}.boot`, "");
  },
};
for (const [when, kill] of Object.entries(KILLED)) {
  test(`killed ${when}: the next start takes up what was set aside`, (t) => {
    const made = damaged(t);
    kill(made);
    const outbox = made.open();
    assert.match(outbox.status().error ?? "", /was set aside .*; the old file is .*\.corrupt-\d+$/);
    settle(outbox, made);
    expectSalvaged(outbox, made);
    assert.equal(asides(made).length, 1);
    const again = made.open();
    assert.equal(again.epoch, outbox.epoch, "once");
    assert.equal(again.status().salvage, undefined);
  });
}

test("killed between the two renames: the log follows its database, and its records leave", (t) => {
  const made = bench(t);
  const outbox = made.open();
  for (let i = 0; i < RECORDS; i++) sample(outbox, made, i);
  const [db, log] = [made.path, `${made.path}-wal`].map((file) => readFileSync(file));
  assert.ok(db && log && log.length > db.length, "all of it is in the log");
  outbox.close();
  rmSync(made.path);
  writeFileSync(`${made.path}.corrupt-5`, db);
  writeFileSync(`${made.path}-wal`, log);
  const next = made.open();
  settle(next, made);
  expectSalvaged(next, { ...made, epoch: outbox.epoch });
});

test("damaged and killed, with all of it in the log: the log goes with its database, and its records leave", (t) => {
  const made = bench(t);
  const first = made.open();
  for (let i = 0; i < RECORDS; i++) sample(first, made, i);
  const files = [made.path, `${made.path}-wal`];
  const copies = files.map((file) => readFileSync(file));
  first.close();
  for (const [at, file] of files.entries()) writeFileSync(file, copies[at]!);
  const db = new Sqlite(made.path);
  db.exec("PRAGMA wal_autocheckpoint = 0");
  db.exec("UPDATE mark SET epoch = 7 WHERE stream = 't'");
  const left = files.map((file) => readFileSync(file));
  db.close();
  for (const [at, file] of files.entries()) writeFileSync(file, left[at]!);
  const outbox = made.open();
  assert.notEqual(outbox.epoch, first.epoch);
  settle(outbox, made);
  expectSalvaged(outbox, { ...made, epoch: first.epoch });
});

test("a name that is taken, by whatever, and a clock set back: nothing is overwritten, the newest is kept", (t) => {
  const made = bench(t);
  for (const ms of [0, 1, 2]) mkdirSync(`${made.path}.corrupt-${made.clock.wall + 1e9 + ms}`);
  damaged(t, made);
  const { epoch } = made.open();
  made.clock.wall -= 1e9;
  const second = damaged(t, made);
  assert.equal(second.epoch, epoch);
  const outbox = made.open();
  settle(outbox, made);
  expectSalvaged(outbox, second);
  assert.equal(asides(made).length, 3);
});

test("damaged again while it salvages: both files' records leave", (t) => {
  const made = damaged(t);
  const first = made.open();
  for (let i = 0; i < RECORDS; i++) sample(first, made, i);
  settle(first, made);
  assert.equal(first.status().salvage, undefined);
  first.close();
  // As if it had come no farther than to the beginning.
  const [aside] = asides(made);
  const note = { file: aside, epoch: 0, stream: "c", seq: 0, row: 0, records: 0 };
  const db = new Sqlite(made.path);
  db.prepare("UPDATE meta SET value = ? WHERE key = 'salvage'").run(JSON.stringify(note));
  db.exec(
    "DELETE FROM seal WHERE epoch < 1000; DELETE FROM packed WHERE id < 1000000; DELETE FROM mark WHERE epoch < 1000",
  );
  db.close();
  tear(made.path, [rootOfGaps(made.path)]);
  const second = made.open();
  settle(second, made);
  expectSalvaged(second, made);
  expectSalvaged(second, { ...made, epoch: first.epoch });
});

test("salvage waits while there is no room, and goes on when there is", (t) => {
  const made = damaged(t);
  const small = { budget: { maxBytes: 8 * MIB, minFreeBytes: 0 } };
  let outbox = made.open(small);
  for (let i = 0; i < 20; i++) outbox.commit();
  assert.deepEqual([outbox.status().salvage?.records, all(outbox, "t").length], [0, 0]);
  outbox = made.open();
  settle(outbox, made);
  expectSalvaged(outbox, made);
});

test("a loss that was still growing when the file was set aside is told by the next one", (t) => {
  const made = bench(t);
  const expireAfterMs = 100_000;
  const outbox = made.open({ expireAfterMs });
  for (let i = 0; i < RECORDS; i++) sample(outbox, made, i);
  made.clock.pass(expireAfterMs);
  sample(outbox, made, RECORDS);
  outbox.close();
  new Sqlite(made.path).exec("UPDATE run SET boot = 1 << 40").close();
  const next = made.open({ expireAfterMs });
  settle(next, made);
  next.commit({ final: true });
  const gaps = parsed(next, "c").flatMap(({ gap }) => (gap?.reason === "expired" ? [gap] : []));
  assert.deepEqual(
    gaps.map(({ c, epoch, from, to, samples }) => [c, epoch, from, to, samples]),
    [["t", outbox.epoch, 1, RECORDS, RECORDS]],
  );
});

test("a volume all but full while a damaged file is set aside: it is set aside once, and salvaged", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "busbar-aside-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=12m", "tmpfs", dir], { encoding: "utf8" });
  t.after(() => {
    spawnSync("umount", ["-l", dir]);
    rmSync(dir, { recursive: true });
  });
  if (mounted.status !== 0) {
    t.skip(`mount -t tmpfs does not work here: ${mounted.stderr ?? mounted.error?.message}`);
    return;
  }
  for (const freeBytes of [0, 16, 24, 32, 48, 64, 96].map((kib) => kib * 1024)) {
    const made = bench(t);
    const path = join(dir, "outbox.db");
    const broken = damaged(t, made, path);
    rmSync(`${path}.ballast`);
    fill(dir, freeBytes);
    const full = made.open({ path });
    for (let i = 0; i < 20; i++) {
      made.clock.pass(4000);
      full.commit();
    }
    rmSync(join(dir, "filler"));
    made.clock.pass(61_000);
    full.commit();
    settle(full, made);
    assert.equal(full.status().state, "ok");
    expectSalvaged(full, broken);
    full.close();
    for (const name of readdirSync(dir)) rmSync(join(dir, name), { recursive: true });
  }
});

/** Leaves so much of the volume. */
function fill(dir: string, freeBytes: number): void {
  const { bavail, bsize } = statfsSync(dir);
  writeFileSync(join(dir, "filler"), Buffer.alloc(bavail * bsize - freeBytes, 1));
}
