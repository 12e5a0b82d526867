/** What will never leave is told once: over restarts, and where the file says nothing of it any more. */
import assert from "node:assert/strict";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import type { Gap, Stream } from "../../../core/record.ts";
import type { Outbox } from "../../../store-forward/outbox/outbox.ts";
import { all, batch, bench, give, parsed, T0 } from "./support.ts";

function sealed(outbox: Outbox, values: readonly number[]): void {
  for (const value of values) {
    give(outbox, batch(T0 + value, [1, value]));
    outbox.commit({ seal: true });
  }
}

function gaps(outbox: Outbox): Pick<Gap, "c" | "from" | "to" | "samples" | "reason">[] {
  return parsed(outbox, "c").flatMap(({ gap }) => {
    if (gap === undefined) return [];
    const { c, from, to, samples, reason } = gap;
    return [{ c, from, to, samples, reason }];
  });
}

function change(path: string, sql: string): void {
  const db = new Sqlite(path);
  db.exec(sql);
  db.close();
}

test("a rejected record with others waiting before it stays rejected over a restart", (t) => {
  const { open, path } = bench(t);
  let outbox = open();
  sealed(outbox, [1, 2, 3]);
  outbox.takeCritical({ kind: "event", t0: T0, body: '"event":{"type":"one"}' });
  outbox.takeCritical({ kind: "event", t0: T0, body: '"event":{"type":"two"}' });
  outbox.commit();
  const { epoch } = outbox;
  assert.equal(outbox.reject("t", { epoch, seq: 2 }, "payload format invalid"), true);
  assert.equal(outbox.reject("c", { epoch, seq: 2 }, "payload format invalid"), true);
  outbox.commit();
  outbox = open();
  assert.deepEqual(
    all(outbox, "t").map(({ seq }) => seq),
    [1, 3],
  );
  assert.equal(outbox.reject("t", { epoch, seq: 2 }, "payload format invalid"), false);
  assert.deepEqual(
    all(outbox, "c").map(({ seq }) => seq),
    [1, 3, 4],
  );
  for (const record of all(outbox, "t")) outbox.ack("t", record);
  outbox.commit();
  assert.equal(outbox.status().streams.t.acked, 3);
  assert.deepEqual(
    gaps(outbox).map(({ c, from, reason }) => [c, from, reason]),
    [
      ["t", 2, "rejected"],
      ["c", 2, "rejected"],
    ],
  );
  outbox.close();
  const db = new Sqlite(path);
  assert.deepEqual(db.prepare("SELECT stream, seq FROM dead ORDER BY id").all(), [
    { stream: "t", seq: 2 },
    { stream: "c", seq: 2 },
  ]);
  db.close();
});

test("what was told is remembered as ranges, and only until the mark has passed it", (t) => {
  const { open, path } = bench(t);
  const remembered = (): unknown => {
    const db = new Sqlite(path);
    const text = db.prepare<[], string>("SELECT value FROM meta WHERE key = 'told'").pluck().get() ?? "";
    db.close();
    return JSON.parse(text);
  };
  let outbox = open();
  sealed(outbox, [1, 2, 3, 4, 5, 6, 7, 8]);
  for (let i = 0; i < 4; i++) outbox.takeCritical({ kind: "event", t0: T0, body: '"event":{"type":"one"}' });
  outbox.commit();
  const { epoch } = outbox;
  const refused = [["t 2"], ["t 3"], ["c 4"], ["t 5", "t 7"]];
  for (const ids of refused) {
    for (const [stream, seq] of ids.map((id) => id.split(" ") as [Stream, string])) {
      assert.equal(outbox.reject(stream, { epoch, seq: Number(seq) }, "payload format invalid"), true);
    }
    outbox.commit();
  }
  outbox.close();
  const [low, critical, middle, high] = [
    { stream: "t", epoch: 1, from: 2, to: 3 },
    { stream: "c", epoch: 1, from: 4, to: 4 },
    { stream: "t", epoch: 1, from: 5, to: 5 },
    { stream: "t", epoch: 1, from: 7, to: 7 },
  ];
  assert.deepEqual(remembered(), [low, critical, middle, high]);
  outbox = open();
  outbox.ack("t", { epoch, seq: 1 });
  outbox.commit();
  assert.equal(outbox.status().streams.t.acked, 3);
  // Forgotten when something is told the next time: nobody asks before.
  assert.equal(outbox.reject("t", { epoch, seq: 8 }, "payload format invalid"), true);
  outbox.commit();
  outbox.close();
  const known = [critical, middle, { ...high, to: 8 }];
  assert.deepEqual(remembered(), known);
  outbox = open({ hardware: "board-2" });
  sealed(outbox, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(outbox.reject("t", { epoch: outbox.epoch, seq: 9 }, "payload format invalid"), true);
  outbox.commit();
  outbox.close();
  assert.deepEqual(remembered(), [...known, { stream: "t", epoch: 2, from: 9, to: 9 }]);
  assert.deepEqual(
    all(open({ hardware: "board-2" }), "t").map(({ seq }) => seq),
    [4, 6, 1, 2, 3, 4, 5, 6, 7, 8],
  );
});

test("a corrupt record with others waiting before it is told once, however often it is read and over restarts", (t) => {
  const { open, path } = bench(t);
  let outbox = open();
  sealed(outbox, [1, 2, 3]);
  for (const type of ["one", "two", "three"]) {
    outbox.takeCritical({ kind: "event", t0: T0, body: `"event":{"type":"${type}"}` });
  }
  outbox.commit();
  outbox.close();
  change(path, "UPDATE packed SET crc = crc + 1 WHERE id = (SELECT row_from FROM seal WHERE seq_from = 2)");
  change(path, "UPDATE record SET plain = CAST(replace(plain, 'two', 'tow') AS BLOB) WHERE seq = 2");
  for (let start = 0; start < 3; start++) {
    outbox = open();
    for (let again = 0; again < 3; again++) {
      assert.deepEqual(
        all(outbox, "t").map(({ seq }) => seq),
        [1, 3],
      );
      assert.deepEqual(
        all(outbox, "c").map(({ seq }) => seq),
        start + again === 0 ? [1, 3] : [1, 3, 4, 5],
      );
      outbox.commit();
    }
    assert.equal(outbox.status().drops.corrupt, start === 0 ? 1 : 0);
  }
  assert.deepEqual(
    gaps(outbox).map(({ c, from, to, reason }) => [c, from, to, reason]),
    [
      ["t", 2, 2, "corrupt"],
      ["c", 2, 2, "corrupt"],
    ],
  );
  for (const stream of ["t", "c"] as const) for (const record of all(outbox, stream)) outbox.ack(stream, record);
  outbox.commit();
  assert.equal(outbox.status().waiting, 0);
  assert.deepEqual(outbox.status().streams.t, { next: 4, acked: 3 });
});

test("of a seal that rotted, what was acknowledged before is not told as lost", (t) => {
  const { open, path } = bench(t);
  let outbox = open();
  give(outbox, batch(T0, [1, 1], [4, 2]));
  outbox.commit({ seal: true });
  const [first] = all(outbox, "t");
  outbox.ack("t", first!);
  outbox.commit();
  outbox.close();
  change(path, "UPDATE packed SET crc = crc + 1");
  outbox = open();
  assert.deepEqual(all(outbox, "t"), []);
  outbox.commit();
  assert.deepEqual(gaps(outbox), [{ c: "t", from: 2, to: 2, samples: 1, reason: "corrupt" }]);
});

test("a seal that vanished between others is told, whatever is acknowledged around it", (t) => {
  const { open, path } = bench(t);
  let outbox = open();
  sealed(outbox, [1, 2, 3, 4]);
  outbox.close();
  change(path, "DELETE FROM seal WHERE seq_from = 2");
  outbox = open();
  for (const record of all(outbox, "t")) outbox.ack("t", record);
  outbox.commit();
  all(outbox, "t");
  outbox.commit();
  assert.deepEqual(
    gaps(outbox).map(({ c, from, to, reason }) => [c, from, to, reason]),
    [["t", 2, 2, "corrupt"]],
  );
  assert.equal(outbox.status().streams.t.acked, 4);
  assert.equal(outbox.status().waiting, outbox.status().streams.c.next - 1);
});

test("a critical record that vanished is told, one that was dropped under a gap is not told again", (t) => {
  const { open, path } = bench(t);
  let outbox = open();
  for (let n = 1; n <= 4; n++) {
    outbox.takeCritical({ kind: "event", t0: T0 + n, body: `"event":{"type":"n${n}"}` });
    outbox.commit();
  }
  outbox.close();
  change(path, "DELETE FROM record WHERE seq = 2");
  outbox = open();
  const { epoch } = outbox;
  for (const seq of [1, 3]) outbox.ack("c", { epoch, seq });
  outbox.commit();
  outbox.commit();
  assert.deepEqual(gaps(outbox), [{ c: "c", from: 2, to: 2, samples: null, reason: "corrupt" }]);
  assert.equal(outbox.status().streams.c.acked, 3);
});
