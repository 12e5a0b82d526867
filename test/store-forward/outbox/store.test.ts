import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { openSqlite } from "../../../store-forward/outbox/sqlite.ts";
import { Store } from "../../../store-forward/outbox/store.ts";

const ROW = { stream: "t", boot: 1, sync: 1, t_min: 1, t_max: 2, samples: 3, coding: 0, crc: 4 } as const;
const GAP = { stream: "t", epoch: "e", seq_from: 1, seq_to: 2, samples: 3, reason: "full", t0: 1, t1: 2 } as const;
const DATA = new Uint8Array(5000).fill(7);

function openStore(t: TestContext): Store {
  const dir = mkdtempSync(join(tmpdir(), "busbar-store-"));
  const store = new Store(openSqlite(join(dir, "outbox.db")));
  t.after(() => {
    store.close();
    rmSync(dir, { recursive: true });
  });
  return store;
}

/** Everything that the store remembers. */
function known(store: Store): unknown {
  return [store.marks(), store.gaps(), store.fingerprint(), store.size(), store.mark(1, "t")];
}

test("what the store remembers is what the file says, after every write", (t) => {
  const store = openStore(t);
  store.transaction(() => store.addPacked({ ...ROW, data: DATA }));
  assert.equal(store.fingerprint(), "1 []");
  const before = store.size();
  store.transaction(() => {
    store.setMark({ epoch: 1, stream: "t", next: 5, acked: 2 });
    assert.equal(store.mark(1, "t").next, 5);
    assert.equal(store.addPacked({ ...ROW, data: DATA }), 2);
    store.putGap({ ...GAP, id: null, since_ms: 9 });
    assert.equal(store.gaps().length, 1);
  });
  assert.ok(store.size().usedBytes > before.usedBytes);
  assert.equal(store.fingerprint(), '2 [{"epoch":1,"stream":"t","next":5,"acked":2}]');
  const grown = store.size();
  store.transaction(() => store.dropPacked("t", 2, 2));
  assert.match(store.fingerprint(), /^1 /, "the newest row is gone");
  assert.ok(store.size().usedBytes < grown.usedBytes);
  store.dropGap(1);
  assert.deepEqual(store.gaps(), []);
});

test("what a transaction wrote before it failed is not remembered", (t) => {
  const store = openStore(t);
  store.transaction(() => {
    store.addPacked({ ...ROW, data: DATA });
    store.setMark({ epoch: 1, stream: "t", next: 5, acked: 2 });
  });
  const before = known(store);
  const fail = (): void => {
    store.addPacked({ ...ROW, data: DATA });
    store.setMark({ epoch: 1, stream: "t", next: 9, acked: 8 });
    store.putGap({ ...GAP, id: null, since_ms: 9 });
    assert.notDeepEqual(known(store), before);
    throw new Error("the disk is gone");
  };
  assert.throws(() => store.transaction(fail), /the disk is gone/);
  assert.deepEqual(known(store), before);
});

test("a statement is compiled once, whatever values it is given", (t) => {
  const store = openStore(t);
  const sql = "SELECT * FROM seal WHERE stream = ? AND epoch = ? AND seq_from <= ? ORDER BY seq_from DESC LIMIT 1";
  const seek = store.prepare<[string, number, number]>(sql);
  const rounds = Array.from({ length: 2000 }, (_, i) => i);
  const took = (work: (i: number) => void): number => {
    const from = performance.now();
    for (const i of rounds) work(i);
    return performance.now() - from;
  };
  const [seekMs, compileMs] = [took((i) => seek.get("t", 1, i)), took(() => store.prepare(sql))];
  assert.ok(seekMs < compileMs / 6, `${seekMs} ms to run it, ${compileMs} ms to compile it`);
});
