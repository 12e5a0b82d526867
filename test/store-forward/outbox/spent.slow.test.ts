import assert from "node:assert/strict";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import type { SealedRecord } from "../../../store-forward/queue.ts";
import { all, batch, bench, give, T0 } from "./support.ts";

test("the memory of spent records serves the next; what is read is right all the same, and what is read again", (t) => {
  const { open, clock } = bench(t);
  let outbox = open();
  for (let i = 0; i < 60; i++) {
    clock.pass(10_000);
    give(outbox, ...Array.from({ length: 50 }, (_, k) => batch(T0 + i * 10_000 + k, [1, i + k], [3, "Available"])));
    outbox.commit();
  }
  // What was just sealed is in memory of its own.
  outbox = open();
  const known = all(outbox, "t").map(({ plain }) => Buffer.from(plain));
  assert.equal(known.length, 120);
  outbox = open();
  for (const limit of [1, 2, 3, 7]) {
    const memories = new Set<ArrayBufferLike>();
    let some: SealedRecord[] = [];
    do {
      some = outbox.read("t", some.at(-1), limit);
      for (const { seq, plain } of some) {
        assert.deepEqual(plain, known[seq - 1], `limit ${limit}, record ${seq}`);
        memories.add(plain.buffer);
      }
      outbox.spent(some);
      // Begins anew, as after a refusal.
      assert.deepEqual(outbox.read("t", undefined, 1)[0]?.plain, known[0]);
    } while (some.length === limit);
    assert.ok(memories.size < 40, `${memories.size} buffers for 60 seals`);
  }
});

test("a refused record's bytes reach the dead letters although its memory serves others meanwhile", (t) => {
  const { open, clock, path } = bench(t);
  let outbox = open();
  for (let i = 0; i < 12; i++) {
    clock.pass(10_000);
    // Two records: the first one's memory is still the reader's when it is refused.
    give(outbox, batch(T0 + i * 10_000, [1, i], [3, "Available"]));
    outbox.commit();
  }
  outbox = open();
  const [first] = outbox.read("t", undefined, 1) as [SealedRecord];
  const plain = Buffer.from(first.plain);
  assert.equal(outbox.reject("t", first, "payload format invalid"), true);
  outbox.spent([first]);
  for (let last = first; last.seq < 24; ) {
    const some = outbox.read("t", last, 1);
    outbox.spent(some);
    last = some[0] as SealedRecord;
  }
  assert.notDeepEqual(first.plain, plain, "its memory was used");
  outbox.commit();
  outbox.close();
  const db = new Sqlite(path);
  assert.deepEqual(db.prepare<[], Uint8Array>("SELECT plain FROM dead").pluck().all(), [plain]);
  db.close();
});
