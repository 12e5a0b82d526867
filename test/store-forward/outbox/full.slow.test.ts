import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import type { Outbox } from "../../../store-forward/outbox/outbox.ts";
import { all, batch, bench, type FakeClock, give, MIB, parsed, samplesIn, T0 } from "./support.ts";

/** About 90 KiB of which zstd saves a quarter, in four records; returns the number of samples. */
function bulk(outbox: Outbox, clock: FakeClock): number {
  const texts = Array.from({ length: 130 }, () => randomBytes(512).toString("base64"));
  give(outbox, ...texts.map((text, i) => batch(clock.wall + i, [1, text])));
  outbox.commit({ seal: true });
  clock.pass(1000);
  return texts.length;
}

test("a full store drops the oldest telemetry; one gap covers exactly what went, critical records stay", (t) => {
  const { open, path, clock } = bench(t);
  const outbox = open({ budget: { maxBytes: 8.25 * MIB, minFreeBytes: 0 } });
  for (let i = 0; i < 20; i++) outbox.takeCritical({ kind: "event", t0: T0 + i, body: `"event":{"type":"n${i}"}` });
  let samples = 0;
  for (let i = 0; i < 24; i++) samples += bulk(outbox, clock);
  assert.ok(statSync(path).size <= 1.25 * MIB, `file ${statSync(path).size}`);
  assert.ok(outbox.status().bytes <= 5.25 * MIB);
  assert.equal(parsed(outbox, "c").length, 20, "the gap still grows");
  outbox.linkUp = true;
  clock.pass(10_000);
  outbox.commit();
  const gaps = parsed(outbox, "c")
    .slice(20)
    .map(({ gap }) => gap);
  const rest = parsed(outbox, "t");
  const kept = samplesIn(rest).length;
  assert.ok(kept > 0 && kept < samples);
  assert.equal(gaps.length, 1);
  assert.deepEqual([gaps[0]?.c, gaps[0]?.reason, gaps[0]?.epoch], ["t", "full", outbox.epoch]);
  assert.deepEqual([gaps[0]?.from, gaps[0]?.to], [1, rest[0]!.seq - 1]);
  assert.equal(gaps[0]?.samples, samples - kept);
  assert.equal(outbox.status().drops.full, samples - kept);
  assert.equal(gaps[0]?.t0, T0);
  assert.deepEqual(outbox.status().streams.t.acked, rest[0]!.seq - 1);
});

test("a gap that grows offline is told hourly, then a new one begins", (t) => {
  const { open, clock } = bench(t);
  const outbox = open({ budget: { maxBytes: 8.25 * MIB, minFreeBytes: 0 } });
  for (let i = 0; i < 20; i++) bulk(outbox, clock);
  assert.equal(all(outbox, "c").length, 0);
  clock.pass(3_600_000);
  for (let i = 0; i < 10; i++) bulk(outbox, clock);
  outbox.commit({ final: true });
  const [first, second] = parsed(outbox, "c").map(({ gap }) => gap);
  assert.equal(second?.from, (first?.to ?? 0) + 1);
  assert.equal(second?.to, parsed(outbox, "t")[0]!.seq - 1);
});

test("only critical records left: the oldest go, gaps are kept", (t) => {
  const { open, clock } = bench(t);
  let outbox = open({ budget: { maxBytes: 8 * MIB, minFreeBytes: 0 } });
  const body = `"event":{"type":"long","text":"${"x".repeat(10_000)}"}`;
  for (let i = 0; i < 200; i++) {
    outbox.takeCritical({ kind: "event", t0: clock.wall, body });
    outbox.commit();
    clock.pass(100);
  }
  assert.ok(outbox.status().bytes <= 5 * MIB);
  outbox.commit({ final: true });
  const records = parsed(outbox, "c");
  const gap = records.at(-1)?.gap;
  assert.deepEqual([gap?.c, gap?.from, gap?.to, gap?.reason], ["c", 1, records[0]!.seq - 1, "full"]);
  outbox = open();
  for (const record of all(outbox, "c")) outbox.ack("c", record);
  outbox.commit({ final: true });
  assert.deepEqual(parsed(outbox, "c"), [], "what was dropped under a gap is not told again");
  assert.equal(outbox.status().waiting, 0);
});

test("less room on the volume than the floor: the file does not grow beyond what it is", (t) => {
  const { open, path, clock } = bench(t);
  const outbox = open({ budget: { maxBytes: 64 * MIB, minFreeBytes: 2 ** 60 } });
  for (let i = 0; i < 15; i++) bulk(outbox, clock);
  assert.ok(statSync(path).size <= 1.1 * MIB, `file ${statSync(path).size}`);
  assert.ok(outbox.status().drops.full > 0);
});

test("the ballast cannot be taken: the file does not grow until it is, a minute later", (t) => {
  const { open, path, clock } = bench(t);
  const ballast = `${path}.ballast`;
  mkdirSync(ballast);
  const outbox = open();
  // Not a whole minute: it is not tried again meanwhile.
  for (let i = 0; i < 15; i++) bulk(outbox, clock);
  assert.ok(statSync(path).size <= 1.1 * MIB, `file ${statSync(path).size}`);
  const { full } = outbox.status().drops;
  assert.ok(full > 0);
  assert.equal(existsSync(ballast), false);
  clock.pass(60_000);
  for (let i = 0; i < 15; i++) bulk(outbox, clock);
  assert.ok(statSync(ballast).isFile());
  assert.equal(outbox.status().drops.full, full);
});

test("a folder that cannot be made: memory holds, the error says what to do, it heals by itself", (t) => {
  const { open, dir, clock } = bench(t);
  const folder = join(dir, "state");
  writeFileSync(folder, "a file in its place");
  const outbox = open({ path: join(folder, "outbox.db") });
  const { boot } = outbox;
  give(outbox, batch(T0, [1, 1]));
  assert.equal(outbox.commit(), false);
  assert.equal(outbox.status().state, "unwritable");
  assert.match(outbox.status().error ?? "", /outbox .*state\/outbox\.db: .*; make .*state writable/);
  assert.equal(outbox.status().durable_until, 0);
  rmSync(folder);
  assert.equal(outbox.commit(), false, "not at once again");
  clock.pass(3000);
  assert.equal(outbox.commit(), true);
  assert.equal(outbox.status().state, "ok");
  assert.equal(outbox.status().error, undefined);
  assert.equal(outbox.boot, boot);
  assert.equal(all(outbox, "t").length, 1);
  assert.equal(statSync(folder).mode & 0o777, 0o750);
});

test("memory is bounded while nothing can be written: the oldest goes, counted and told", (t) => {
  const { open, dir, clock } = bench(t);
  const folder = join(dir, "state");
  writeFileSync(folder, "");
  const outbox = open({ path: join(folder, "outbox.db") });
  let samples = 0;
  for (let i = 0; i < 50; i++) {
    const texts = Array.from({ length: 240 }, (_, k) => batch(clock.wall + k, [1, "x".repeat(1000)]));
    give(outbox, ...texts);
    samples += texts.length;
    clock.pass(1000);
  }
  assert.equal(outbox.commit(), false);
  const { drops } = outbox.status();
  assert.ok(drops.overload > 0 && drops.overload < samples / 2, "no more than must go");
  rmSync(folder);
  clock.pass(3000);
  outbox.commit({ final: true });
  assert.equal(samplesIn(parsed(outbox, "t")).length, samples - drops.overload);
  const [gap] = parsed(outbox, "c").map((record) => record.gap);
  assert.deepEqual([gap?.samples, gap?.reason, gap?.from, gap?.t0], [drops.overload, "overload", null, T0]);
  assert.equal(outbox.status().drops.overload, drops.overload);
});

test("a second gateway on the same file is kept out", (t) => {
  const { open, path, clock } = bench(t);
  const other = new Sqlite(path);
  other.pragma("locking_mode = EXCLUSIVE", { simple: true });
  other.exec("BEGIN EXCLUSIVE");
  const outbox = open();
  assert.equal(outbox.status().state, "unwritable");
  assert.match(outbox.status().error ?? "", /another process has it open/);
  other.exec("ROLLBACK");
  other.close();
  clock.pass(3000);
  assert.equal(outbox.commit(), true);
});

test("a folder that is gone at the start is made again", (t) => {
  const { open, dir } = bench(t);
  const path = join(dir, "a", "b", "outbox.db");
  assert.equal(open({ path }).status().state, "ok");
});

test("dead letters make room first: a thousand of them never cost what may still be sent", (t) => {
  const { open, path, clock } = bench(t);
  const outbox = open({ budget: { maxBytes: 8.25 * MIB, minFreeBytes: 0 } });
  let dead = 0;
  for (let i = 0; i < 20; i++) {
    bulk(outbox, clock);
    dead += all(outbox, "t").length;
    for (const record of all(outbox, "t")) outbox.reject("t", record, "0x99");
    outbox.commit();
  }
  const rejected = outbox.status().drops.rejected;
  for (let i = 0; i < 6; i++) bulk(outbox, clock);
  assert.equal(outbox.status().drops.full, 0);
  assert.equal(samplesIn(parsed(outbox, "t")).length, 6 * 130);
  assert.equal(outbox.status().drops.rejected, rejected);
  assert.ok(statSync(path).size <= 1.25 * MIB, `file ${statSync(path).size}`);
  outbox.close();
  const db = new Sqlite(path);
  const kept = db.prepare<[], number>("SELECT seq FROM dead ORDER BY id").pluck().all();
  db.close();
  assert.ok(kept.length > 0 && kept.length < dead, "the oldest went");
  assert.equal(kept.at(-1), dead, "the newest stay");
});
