/** The cloud's receipt: a file that is an image from the past finds out and begins a new epoch. */
import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { parseRecord, STREAMS } from "../../../core/record.ts";
import type { Outbox } from "../../../store-forward/outbox/outbox.ts";
import { openSqlite } from "../../../store-forward/outbox/sqlite.ts";
import { all, type Bench, batch, bench, give, parsed, samplesIn, T0 } from "./support.ts";

const NONE = { c: 0, t: 0, b: 0 };

function sample(outbox: Outbox, value: number): void {
  give(outbox, batch(T0 + value * 1000, [1, value]));
  outbox.commit({ seal: true });
}

function event(outbox: Outbox, n: number): void {
  outbox.takeCritical({ kind: "event", asset: "meter-1", t0: T0 + n, body: `"event":{"type":"n${n}","t0":1}` });
  outbox.commit();
}

function values(outbox: Outbox): string[] {
  return samplesIn(parsed(outbox, "t")).map((text) => text.split(" ")[3] ?? "");
}

/** Three samples and two events, of which the first sample is acknowledged and committed. */
function filled(t: TestContext): { kit: Bench; outbox: Outbox } {
  const kit = bench(t);
  const outbox = kit.open();
  for (const value of [1, 2, 3]) sample(outbox, value);
  for (const n of [1, 2]) event(outbox, n);
  outbox.ack("t", { epoch: outbox.epoch, seq: 1 });
  outbox.commit();
  return { kit, outbox };
}

test("a receipt of what may have been sent changes nothing; one ahead gives all a new epoch", (t) => {
  const { kit, outbox } = filled(t);
  const { epoch } = outbox;
  assert.equal(outbox.release(), true);
  assert.equal(outbox.takeReceipt({ epoch, upto: { c: 2, t: 3, b: 0 } }, false), "known");
  assert.deepEqual(values(outbox), ["2", "3"], "a receipt prunes only where it is told to");
  assert.equal(outbox.takeReceipt({ epoch: "zzzzzzzz", upto: { c: 9, t: 9, b: 9 } }, false), "foreign");
  const before = all(outbox, "c").map(({ plain }) => parseRecord(plain));
  assert.equal(outbox.takeReceipt({ epoch, upto: { c: 1, t: 4, b: 0 } }, false), "ahead");
  assert.notEqual(outbox.epoch, epoch);
  const records = STREAMS.flatMap((stream) => parsed(outbox, stream));
  assert.ok(records.every((record) => record.epoch === outbox.epoch));
  assert.deepEqual(values(outbox), ["2", "3"]);
  assert.deepEqual(
    parsed(outbox, "t").map(({ seq }) => seq),
    [1, 2],
  );
  const [gap, one, two, ...more] = parsed(outbox, "c");
  assert.deepEqual(more, []);
  for (const [at, record] of [one, two].entries()) {
    const { crc: _crc, ...rest } = record!;
    const { crc: _old, ...old } = before[at]!;
    assert.deepEqual(rest, { ...old, epoch: outbox.epoch, seq: at + 2 });
  }
  const { t0: _t0, t1: _t1, ...told } = gap!.gap!;
  assert.deepEqual(told, { c: "c", epoch, from: 2, to: 2, samples: 0, reason: "corrupt" });
  const bytes = STREAMS.flatMap((stream) => all(outbox, stream)).map(({ plain }) => plain.toString());
  const again = kit.open();
  assert.deepEqual(
    STREAMS.flatMap((stream) => all(again, stream)).map(({ plain }) => plain.toString()),
    bytes,
    "the same bytes in the next process",
  );
  assert.equal(again.takeReceipt({ epoch, upto: { c: 1, t: 4, b: 0 } }, false), "foreign", "the old epoch is over");
});

test("a restored image is found although it sealed past the receipt, over two starts without a link", (t) => {
  const { kit, outbox } = filled(t);
  const { epoch } = outbox;
  outbox.release();
  outbox.commit({ final: true });
  outbox.close();
  copyFileSync(kit.path, `${kit.path}.image`);
  copyFileSync(`${kit.path}.boot`, `${kit.path}.boot.image`);
  const first = kit.open();
  first.release();
  for (const value of [4, 5]) sample(first, value);
  for (const { seq } of all(first, "t")) first.ack("t", { epoch, seq });
  first.commit({ final: true });
  first.close();
  copyFileSync(`${kit.path}.image`, kit.path);
  copyFileSync(`${kit.path}.boot.image`, `${kit.path}.boot`);
  for (const value of [14, 15, 16]) sample(kit.open(), value);
  const restored = kit.open();
  sample(restored, 17);
  assert.equal(restored.epoch, epoch);
  // The other life sent 1 to 5; this one gave out 4 to 7 to other samples and sent none.
  assert.equal(restored.takeReceipt({ epoch, upto: { ...NONE, t: 5 } }, false), "ahead");
  assert.notEqual(restored.epoch, epoch);
  assert.deepEqual(values(restored), ["2", "3", "14", "15", "16", "17"]);
});

test("what was sent before SIGKILL is no surprise", (t) => {
  const { kit, outbox } = filled(t);
  const { epoch } = outbox;
  outbox.release();
  sample(outbox, 4);
  const upto = { c: 2, t: 4, b: 0 };
  const killed = kit.open();
  assert.equal(killed.takeReceipt({ epoch, upto }, false), "known");
  killed.release();
  killed.close();
  const db = openSqlite(kit.path);
  assert.equal(db.prepare<[], string>("SELECT value FROM meta WHERE key = 'unsent'").pluck().get(), "");
  db.close();
});

test("with prune, what a receipt covers is acknowledged, and only that", (t) => {
  const { kit, outbox } = filled(t);
  const { epoch } = outbox;
  outbox.release();
  assert.equal(outbox.takeReceipt({ epoch, upto: { c: 0, t: 2, b: 0 } }, true), "known");
  assert.deepEqual(values(outbox), ["3"]);
  outbox.commit();
  const again = kit.open();
  assert.deepEqual(values(again), ["3"]);
  assert.equal(again.status().streams.c.acked, 0);
});

test("damaged records and rows become gaps when all is sealed anew", (t) => {
  const { kit, outbox } = filled(t);
  const { epoch } = outbox;
  outbox.close();
  const db = openSqlite(kit.path);
  db.exec("UPDATE packed SET data = x'00' WHERE id = 3; UPDATE record SET plain = x'7b7d' WHERE seq = 1");
  db.close();
  const hurt = kit.open();
  assert.equal(hurt.takeReceipt({ epoch, upto: { c: 9, t: 9, b: 9 } }, false), "ahead");
  assert.deepEqual(values(hurt), ["2"]);
  const gaps = parsed(hurt, "c").flatMap(({ gap }) => (gap === undefined ? [] : [gap]));
  assert.deepEqual(
    gaps.map(({ c, from, to, epoch: of, reason }) => [c, from, to, of, reason]),
    [
      ["c", 1, 1, epoch, "corrupt"],
      ["t", 3, 3, epoch, "corrupt"],
    ],
  );
});

test("rows of a boot whose birth is gone become gaps when all is sealed anew", (t) => {
  const { kit, outbox } = filled(t);
  const { epoch } = outbox;
  outbox.close();
  const db = openSqlite(kit.path);
  db.exec("DELETE FROM run");
  db.close();
  const hurt = kit.open();
  assert.equal(hurt.takeReceipt({ epoch, upto: { c: 9, t: 9, b: 9 } }, false), "ahead");
  for (let i = 0; i < 5; i++) assert.equal(hurt.commit(), true, hurt.status().error);
  assert.equal(hurt.status().renewing, undefined);
  const gaps = parsed(hurt, "c").flatMap(({ gap }) => (gap?.samples === 1 ? [[gap.c, gap.from, gap.to]] : []));
  assert.deepEqual(gaps, [
    ["t", 2, 2],
    ["t", 3, 3],
  ]);
});

test("a seal that rotted is mended while all is sealed anew: the file stays", (t) => {
  const { kit, outbox } = filled(t);
  const { epoch } = outbox;
  sample(outbox, 4);
  outbox.close();
  const db = openSqlite(kit.path);
  db.exec("UPDATE seal SET boot = 7 WHERE seq_from = 3");
  db.close();
  const hurt = kit.open();
  assert.equal(hurt.takeReceipt({ epoch, upto: { c: 9, t: 9, b: 9 } }, false), "ahead");
  assert.deepEqual(values(hurt), ["2", "3", "4"]);
  assert.deepEqual(
    kit.files().filter((name) => name.includes("corrupt")),
    [],
  );
  assert.equal(hurt.status().error, undefined);
});

test("a large backlog is sealed anew in short steps, over kills, in order, with what comes meanwhile", (t) => {
  const kit = bench(t);
  let outbox = kit.open();
  const given: number[] = [];
  const fill = (count: number): void => {
    const from = given.length;
    const values = Array.from({ length: count }, (_, at) => from + at);
    given.push(...values);
    give(outbox, ...values.map((value) => batch(T0 + value, [1, value])));
    outbox.commit({ seal: true });
  };
  // Random values, so that rows are large enough for several steps.
  for (let n = 0; n < 20; n++) {
    const noise = Array.from({ length: 4000 }, (_, at) => batch(T0 + at, [2, Math.random()]));
    give(outbox, ...noise);
    fill(10);
  }
  event(outbox, 1);
  const { epoch } = outbox;
  assert.equal(outbox.takeReceipt({ epoch, upto: { ...NONE, t: 1e6 } }, false), "ahead");
  const renewed = outbox.epoch;
  let steps = 0;
  for (; outbox.urgent && steps < 100; steps++) {
    const found = STREAMS.flatMap((stream) => all(outbox, stream));
    assert.ok(found.every((record) => record.epoch === renewed));
    assert.equal(outbox.takeReceipt({ epoch: renewed, upto: { ...NONE, t: 1e6 } }, false), "known");
    if (steps % 3 === 1) {
      outbox = kit.open();
      assert.equal(outbox.epoch, renewed);
    }
    fill(10);
  }
  assert.ok(steps > 5 && steps < 100, `${steps} steps`);
  fill(10);
  const records = parsed(outbox, "t");
  assert.deepEqual(
    records.map(({ seq }) => seq),
    records.map((_, at) => at + 1),
  );
  const values = samplesIn(records).filter((text) => text.includes("Power"));
  assert.deepEqual(
    values.map((text) => Number(text.split(" ")[3])),
    given,
  );
  assert.deepEqual(
    parsed(outbox, "c").flatMap(({ gap }) => gap?.epoch ?? []),
    [epoch],
  );
  for (const stream of STREAMS) for (const record of all(outbox, stream)) outbox.ack(stream, record);
  outbox.commit();
  assert.equal(outbox.status().waiting, 0);
});
