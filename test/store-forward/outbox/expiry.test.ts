import assert from "node:assert/strict";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import type { Outbox } from "../../../store-forward/outbox/outbox.ts";
import { all, batch, bench, type FakeClock, packed, parsed, samplesIn, T0 } from "./support.ts";

const HOUR = 3_600_000;
const EXPIRING = { expireAfterMs: HOUR };

/** One sealed record of two samples, then `ms` pass. */
function record(outbox: Outbox, clock: FakeClock, ms: number, synced = true): void {
  const watermark = clock.wall;
  outbox.take({ ...packed(batch(watermark, [1, watermark], [2, 7])), watermark, synced });
  outbox.commit({ seal: true });
  clock.pass(ms);
}

function seqs(outbox: Outbox): number[] {
  return all(outbox, "t").map(({ seq }) => seq);
}

function gapsOf(outbox: Outbox) {
  outbox.commit({ final: true });
  return parsed(outbox, "c").flatMap(({ gap }) => gap ?? []);
}

test("records older than expire_after go, counted and told in the commit that drops them; younger ones stay", (t) => {
  const { open, clock, path } = bench(t);
  let outbox = open(EXPIRING);
  for (let i = 0; i < 6; i++) record(outbox, clock, HOUR / 4);
  // The newest of the six is a quarter of an hour old.
  outbox.commit();
  assert.deepEqual(seqs(outbox), [3, 4, 5, 6], "an age of exactly one hour is not above it");
  assert.equal(outbox.status().drops.expired, 4);
  assert.deepEqual(outbox.status().streams.t, { next: 7, acked: 2 });
  outbox.close();
  const db = new Sqlite(path);
  const stored = db.prepare("SELECT reason, seq_from, seq_to, samples FROM gap").all();
  db.close();
  assert.deepEqual(stored, [{ reason: "expired", seq_from: 1, seq_to: 2, samples: 4 }]);
  outbox = open(EXPIRING);
  const [gap] = gapsOf(outbox);
  assert.deepEqual(gap, {
    c: "t",
    epoch: outbox.epoch,
    from: 1,
    to: 2,
    samples: 4,
    reason: "expired",
    t0: T0,
    t1: T0 + HOUR / 4,
  });
  assert.equal(samplesIn(parsed(outbox, "t")).length, 8);
});

test("nothing expires without expire_after, however old", (t) => {
  const { open, clock } = bench(t);
  const outbox = open();
  record(outbox, clock, 1000 * HOUR);
  outbox.commit();
  assert.deepEqual(seqs(outbox), [1]);
  assert.deepEqual(gapsOf(outbox), []);
});

test("critical records never expire", (t) => {
  const { open, clock } = bench(t);
  const outbox = open(EXPIRING);
  outbox.takeCritical({ kind: "event", t0: T0, body: `"event":{"type":"test"}` });
  record(outbox, clock, 1000 * HOUR);
  outbox.commit();
  assert.deepEqual(seqs(outbox), []);
  assert.deepEqual(
    parsed(outbox, "c").map(({ k }) => k),
    ["event"],
  );
});

test("what the cloud took of a seal is neither lost nor counted", (t) => {
  const { open, clock } = bench(t);
  const outbox = open(EXPIRING);
  outbox.take({ ...packed(batch(T0, [1, 1], [2, 2], [3, "Available"])), watermark: T0, synced: true });
  outbox.commit({ seal: true });
  assert.deepEqual(seqs(outbox), [1, 2]);
  outbox.ack("t", { epoch: outbox.epoch, seq: 1 });
  clock.pass(2 * HOUR);
  outbox.commit();
  assert.equal(outbox.status().drops.expired, 1);
  assert.deepEqual(
    gapsOf(outbox).map(({ from, to, samples }) => [from, to, samples]),
    [[2, 2, 1]],
  );
});

test("while the clock is not known to be true nothing expires", (t) => {
  const { open, clock } = bench(t);
  const outbox = open({ ...EXPIRING, synced: false });
  record(outbox, clock, 5 * HOUR, false);
  clock.wall += 1000 * HOUR;
  outbox.commit({ final: true });
  assert.deepEqual(seqs(outbox), [1]);
});

test("a record without a true time ages from the synchronisation that followed, also over starts", (t) => {
  const { open, clock } = bench(t);
  clock.wall = T0 - 30_000 * HOUR;
  let outbox = open({ ...EXPIRING, synced: false });
  record(outbox, clock, 5 * HOUR, false);
  outbox = open({ ...EXPIRING, synced: false });
  record(outbox, clock, 5 * HOUR, false);
  // Now the clock becomes true: both are decades old by it, and neither has waited that long.
  clock.wall = T0;
  outbox.takeCritical({ kind: "time", t0: T0, body: `"time":{"boot":1,"offset_ms":5}` });
  outbox.commit();
  assert.deepEqual(seqs(outbox), [1, 2]);
  clock.pass(HOUR);
  outbox = open({ ...EXPIRING, synced: true });
  outbox.commit();
  assert.deepEqual(seqs(outbox), [1, 2]);
  clock.pass(1);
  outbox.commit();
  assert.deepEqual(seqs(outbox), []);
  assert.equal(outbox.status().drops.expired, 4);
});

test("the synchronisation is noted once per boot, for as long as something of that boot is stored", (t) => {
  const { open, clock, path } = bench(t);
  const noted = (): unknown => {
    const db = new Sqlite(path);
    const text = db.prepare<[], string>("SELECT value FROM meta WHERE key = 'synced'").pluck().get() ?? "";
    db.close();
    return JSON.parse(text);
  };
  const start = (): Outbox => {
    const outbox = open({ ...EXPIRING, synced: true });
    record(outbox, clock, HOUR / 4);
    record(outbox, clock, HOUR / 4);
    return outbox;
  };
  let outbox = open({ ...EXPIRING, synced: false });
  record(outbox, clock, 5 * HOUR, false);
  const { boot } = outbox;
  const syncedMs = clock.wall;
  outbox.takeCritical({ kind: "time", t0: T0, body: `"time":{"boot":${boot},"offset_ms":5}` });
  outbox.commit();
  for (const one of all(outbox, "c")) outbox.ack("c", one);
  outbox.commit();
  outbox = start();
  outbox.close();
  assert.deepEqual(noted(), [
    [boot, syncedMs],
    [boot + 1, syncedMs],
  ]);
  outbox = open({ ...EXPIRING, synced: true });
  clock.pass(HOUR / 2);
  outbox.commit();
  assert.deepEqual(seqs(outbox), [1, 2, 3], "an hour after the synchronisation of its own boot");
  clock.pass(1);
  outbox.commit();
  assert.deepEqual(seqs(outbox), [3]);
  const thirdMs = syncedMs + HOUR / 2;
  start().close();
  assert.deepEqual(noted(), [
    [boot + 1, syncedMs],
    [boot + 2, thirdMs],
    [boot + 3, thirdMs + HOUR / 2 + 1],
  ]);
});

test("a record is as old as the newest of its samples", (t) => {
  const { open, clock } = bench(t);
  const outbox = open(EXPIRING);
  outbox.take({ ...packed(batch(T0 - HOUR, [1, 1]), batch(T0, [1, 2])), watermark: T0, synced: true });
  outbox.commit({ seal: true });
  clock.pass(HOUR);
  outbox.commit();
  assert.deepEqual(seqs(outbox), [1]);
  clock.pass(1);
  outbox.commit();
  assert.deepEqual(seqs(outbox), []);
});

test("a time in the future does not expire, and holds nothing up for ever", (t) => {
  const { open, clock } = bench(t);
  const outbox = open(EXPIRING);
  clock.wall = T0 + 10 * HOUR;
  record(outbox, clock, 0);
  clock.wall = T0;
  outbox.commit();
  assert.deepEqual(seqs(outbox), [1]);
  clock.wall = T0 + 11 * HOUR + 1;
  outbox.commit();
  assert.deepEqual(seqs(outbox), []);
});

test("a long backlog expires in steps, none of it without a gap", (t) => {
  const { open, clock } = bench(t);
  const outbox = open(EXPIRING);
  for (let i = 0; i < 150; i++) record(outbox, clock, 1);
  clock.pass(2 * HOUR);
  outbox.commit();
  assert.equal(seqs(outbox).length, 150 - 64, "a commit stays short");
  outbox.commit();
  outbox.commit();
  assert.deepEqual(
    gapsOf(outbox).map(({ from, to, samples }) => [from, to, samples]),
    [[1, 150, 300]],
  );
  assert.equal(outbox.status().drops.expired, 300);
});
