import assert from "node:assert/strict";
import { cpSync, unlinkSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { birthIdOf } from "../../../core/signals.ts";
import { contract } from "../../support/contracts.ts";
import { all, BIRTH, batch, bench, give, packed, parsed, restored, samplesIn, T0 } from "./support.ts";

function packedOne(tMs: number, value: number) {
  return packed(batch(tMs, [1, value]));
}

const EVENT = `"event":{"type":"test","severity":"info"}`;

test("the first values of a boot are sealed with the first commit, the next after the interval", (t) => {
  const { open, clock } = bench(t);
  const outbox = open();
  let told = 0;
  outbox.onSealed = () => told++;
  give(outbox, batch(T0, [1, 7360], [2, 1204330]));
  assert.deepEqual(all(outbox, "t"), [], "nothing leaves before its commit");
  assert.equal(outbox.urgent, true, "the first values wait for no interval");
  outbox.commit();
  assert.equal(outbox.urgent, false);
  assert.equal(told, 1);
  assert.equal(all(outbox, "t").length, 1);
  for (let second = 1; second < 10; second++) {
    clock.pass(1000);
    give(outbox, batch(T0 + second * 1000, [1, second]));
    assert.equal(outbox.urgent, false);
    outbox.commit();
  }
  assert.equal(all(outbox, "t").length, 1);
  clock.pass(1000);
  outbox.commit();
  assert.equal(told, 2);
  const records = parsed(outbox, "t");
  assert.deepEqual(
    records.map(({ seq }) => seq),
    [1, 2],
  );
  assert.equal(samplesIn(records).length, 11);
});

test("durable_until follows the commit, and moves without samples", (t) => {
  const { open } = bench(t);
  const outbox = open();
  assert.equal(outbox.status().durable_until, 0);
  give(outbox, batch(T0, [1, 1]));
  assert.equal(outbox.status().durable_until, 0);
  outbox.commit();
  assert.equal(outbox.status().durable_until, T0);
  outbox.take({ bytes: new Uint8Array(0), samples: 0, watermark: T0 + 500, synced: true });
  outbox.commit();
  assert.equal(outbox.status().durable_until, T0 + 500);
});

test("critical records are numbered and sealed in their commit, with their own bytes", (t) => {
  const { open } = bench(t);
  const outbox = open();
  const [, body] = /"t0":1795226102000,(.*),"crc"/.exec(contract("record-event.json").toString()) ?? [];
  for (let i = 0; i < 95; i++) outbox.takeCritical({ kind: "event", asset: "van-7", t0: 1795226102000, body: body! });
  outbox.commit();
  const records = all(outbox, "c");
  assert.deepEqual(
    records.map(({ seq }) => seq),
    Array.from({ length: 95 }, (_, i) => i + 1),
  );
  // The contract's record is of epoch k3f9a1c2, boot 17; all else is as here.
  const own = (text: string): string =>
    text
      .replace(/"epoch":"\w+"/, "")
      .replace(/"boot":\d+/, "")
      .replace(/"crc":.*/, "");
  assert.equal(own(records[94]!.plain.toString()), own(contract("record-event.json").toString()));
});

test("acknowledged in any order; deleted from the file when everything below is", (t) => {
  const { open, clock } = bench(t);
  let outbox = open();
  for (let i = 0; i < 6; i++) {
    clock.pass(10_000);
    give(outbox, batch(T0 + i * 10_000, [1, i], [3, "Available"]));
    outbox.commit();
  }
  const records = all(outbox, "t");
  assert.equal(records.length, 12);
  for (const index of [11, 0, 3, 1, 5]) outbox.ack("t", records[index]!);
  outbox.commit();
  assert.deepEqual(outbox.status().streams.t, { next: 13, acked: 2 });
  assert.deepEqual(
    all(outbox, "t").map(({ seq }) => seq),
    [3, 5, 7, 8, 9, 10, 11],
  );
  outbox = open();
  assert.deepEqual(
    all(outbox, "t").map(({ seq }) => seq),
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    "early ones come again",
  );
  assert.deepEqual(
    all(outbox, "t").map(({ plain }) => plain),
    records.slice(2).map(({ plain }) => plain),
  );
  for (const record of all(outbox, "t")) outbox.ack("t", record);
  outbox.commit();
  assert.deepEqual(outbox.status().streams.t, { next: 13, acked: 12 });
  assert.equal(outbox.status().waiting, 0);
});

test("an acknowledgement for what was never given out is ignored", (t) => {
  const { open } = bench(t);
  const outbox = open();
  give(outbox, batch(T0, [1, 1]));
  outbox.commit();
  outbox.ack("t", { epoch: outbox.epoch, seq: 2 });
  outbox.ack("t", { epoch: "zzzzzzzz", seq: 1 });
  outbox.ack("b", { epoch: outbox.epoch, seq: 1 });
  outbox.commit();
  assert.equal(all(outbox, "t").length, 1);
  assert.deepEqual(outbox.status().streams.t, { next: 2, acked: 0 });
});

test("rows left by a kill are sealed first, with their own boot, sync and birth", (t) => {
  const { open, clock } = bench(t);
  let outbox = open({ synced: false });
  give(outbox, batch(T0, [1, 1]));
  outbox.commit();
  outbox.take({ ...packedOne(T0 + 1000, 2), watermark: T0 + 1000, synced: false });
  outbox.commit();
  outbox.take({ ...packedOne(T0 + 2000, 3), watermark: T0 + 2000, synced: true });
  outbox.commit();
  assert.equal(all(outbox, "t").length, 1);
  const boot = outbox.boot;
  const birth = Buffer.from(BIRTH.toString().replace("busbar 0.1.0", "busbar 0.2.0"));
  clock.pass(60_000);
  outbox = open({ birth, birthId: birthIdOf(birth) });
  give(outbox, batch(T0 + 60_000, [1, 4]));
  outbox.commit();
  const records = parsed(outbox, "t");
  assert.deepEqual(
    records.map(({ seq, boot: b, sync, birth: id }) => [seq, b - boot, sync, id]),
    [
      [1, 0, true, "164043ef"],
      [2, 0, false, "164043ef"],
      [3, 0, true, "164043ef"],
      [4, 1, true, birthIdOf(birth)],
    ],
  );
  assert.deepEqual(outbox.births().map(birthIdOf), ["164043ef", birthIdOf(birth)]);
  for (const record of all(outbox, "t")) outbox.ack("t", record);
  outbox.commit();
  assert.deepEqual(outbox.births().map(birthIdOf), [birthIdOf(birth)]);
});

test("the boot counts starts; without its file it goes to the clock, never back", (t) => {
  const { open, clock, path } = bench(t);
  const first = open().boot;
  assert.equal(first, Math.floor(T0 / 1000));
  assert.equal(open().boot, first + 1);
  unlinkSync(`${path}.boot`);
  clock.wall = 0;
  assert.equal(open().boot, first + 2, "the outbox knows");
  unlinkSync(`${path}.boot`);
  writeFileSync(`${path}.boot`, `{"boot":"many"}`);
  assert.equal(open().boot, first + 3);
});

test("other hardware: a new epoch for what is not sealed; sealed records keep their identity and go first", (t) => {
  const { open } = bench(t);
  let outbox = open();
  const old = outbox.epoch;
  give(outbox, batch(T0, [1, 1]));
  outbox.commit();
  give(outbox, batch(T0 + 1000, [1, 2]));
  outbox.commit();
  const before = all(outbox, "t");
  outbox = open({ hardware: "board-2" });
  assert.notEqual(outbox.epoch, old);
  outbox.commit();
  const records = all(outbox, "t", 1);
  assert.deepEqual(
    records.map(({ epoch, seq }) => [epoch, seq]),
    [
      [old, 1],
      [outbox.epoch, 1],
    ],
  );
  assert.deepEqual(records[0]!.plain, before[0]!.plain);
  assert.deepEqual(parsed(outbox, "c"), [], "nothing was lost");
  for (const record of records) outbox.ack("t", record);
  outbox.commit();
  assert.equal(outbox.status().waiting, 0);
});

test("a file from the past: numbers that the cloud has are not used again", (t) => {
  const { open, path, clock } = bench(t);
  let outbox = open();
  give(outbox, batch(T0, [1, 1]));
  outbox.commit();
  outbox.close();
  cpSync(path, `${path}.backup`);
  outbox = open();
  for (let i = 1; i < 5; i++) {
    clock.pass(10_000);
    give(outbox, batch(T0 + i * 10_000, [1, i]));
    outbox.commit();
  }
  const { epoch } = outbox;
  outbox = restored({ open, path }, outbox);
  assert.notEqual(outbox.epoch, epoch);
  const lost = parsed(outbox, "c")
    .map(({ gap }) => gap)
    .find((gap) => gap?.c === "t");
  assert.deepEqual([lost?.epoch, lost?.from, lost?.to, lost?.reason], [epoch, 6, null, "corrupt"]);
});

test("overload: told once, with its samples, when the commit that follows it is on disk", (t) => {
  const { open, clock } = bench(t);
  const outbox = open();
  const overload = { samples: 812, t0: T0 - 1000, t1: T0 - 400 };
  outbox.take({ ...packedOne(T0, 1), watermark: T0, synced: true, overload });
  outbox.commit();
  outbox.take({
    ...packedOne(T0, 1),
    watermark: T0,
    synced: true,
    overload: { samples: 8, t0: T0 - 300, t1: T0 - 200 },
  });
  outbox.commit();
  assert.deepEqual(parsed(outbox, "c"), [], "it may still grow");
  outbox.linkUp = true;
  clock.pass(10_000);
  outbox.commit();
  const gaps = parsed(outbox, "c").map(({ gap }) => gap);
  const span = { t0: T0 - 1000, t1: T0 - 200 };
  assert.deepEqual(gaps, [
    { c: "t", epoch: outbox.epoch, from: null, to: null, samples: 820, reason: "overload", ...span },
  ]);
  assert.equal(outbox.status().drops.overload, 820);
});

test("a hand-off that is garbage is counted and told, and the rest goes on", (t) => {
  const { open } = bench(t);
  const outbox = open();
  outbox.take({ bytes: new Uint8Array([1, 0, 0, 0, 9]), samples: 3, watermark: T0, synced: true });
  give(outbox, batch(T0, [1, 1]));
  outbox.commit({ final: true });
  assert.equal(all(outbox, "t").length, 1);
  const [gap] = parsed(outbox, "c").map((record) => record.gap);
  assert.deepEqual([gap?.reason, gap?.samples, gap?.from], ["corrupt", 3, null]);
  assert.equal(outbox.status().drops.corrupt, 3);
});

test("a record that is refused for good: dead letters, a gap, and the next one follows", (t) => {
  const { open } = bench(t);
  let outbox = open();
  give(outbox, batch(T0, [1, 1], [2, 5], [3, "Available"]));
  outbox.takeCritical({ kind: "event", t0: T0, body: EVENT });
  outbox.commit();
  const [first] = all(outbox, "t");
  assert.equal(outbox.reject("t", first!, "payload format invalid"), true);
  assert.equal(outbox.reject("t", first!, "payload format invalid"), false);
  assert.equal(outbox.reject("t", { epoch: outbox.epoch, seq: 77 }, "never there"), false);
  assert.deepEqual(
    all(outbox, "t").map(({ seq }) => seq),
    [2],
  );
  outbox.commit();
  const gap = parsed(outbox, "c").at(-1)?.gap;
  assert.deepEqual([gap?.from, gap?.to, gap?.samples, gap?.reason], [1, 1, 2, "rejected"]);
  outbox = open();
  assert.deepEqual(
    all(outbox, "t").map(({ seq }) => seq),
    [2],
  );
});

test("a large backlog is read in small pieces, each record once, in order", (t) => {
  const { open, clock } = bench(t);
  const outbox = open();
  for (let i = 0; i < 60; i++) {
    clock.pass(10_000);
    give(outbox, ...Array.from({ length: 50 }, (_, k) => batch(T0 + i * 10_000 + k, [1, k], [3, "Available"])));
    outbox.commit();
  }
  for (const limit of [1, 3, 32, 1000]) {
    assert.deepEqual(
      all(outbox, "t", limit).map(({ seq }) => seq),
      Array.from({ length: 120 }, (_, i) => i + 1),
    );
  }
});
