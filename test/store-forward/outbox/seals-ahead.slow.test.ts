/** Seals that are read ahead: the answers are those of the table, whatever was written in between. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Stream } from "../../../core/record.ts";
import type { SealRow } from "../../../store-forward/outbox/schema.ts";
import { RottedSeal } from "../../../store-forward/outbox/seal-sum.ts";
import { openSqlite } from "../../../store-forward/outbox/sqlite.ts";
import { Store } from "../../../store-forward/outbox/store.ts";

type Span = Pick<SealRow, "stream" | "epoch" | "seq_from" | "seq_to">;

function fileOf(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), "busbar-seals-"));
  const db = openSqlite(join(dir, "outbox.db"));
  const store = new Store(db);
  t.after(() => {
    store.close();
    rmSync(dir, { recursive: true, force: true });
  });
  return { db, store };
}

function seal({ stream, epoch, seq_from, seq_to }: Span): Omit<SealRow, "crc"> {
  const about = { row_from: seq_from, row_to: seq_to, boot: 1, sync: 1, sealed_ms: 1, t_min: 1, t_max: 2, encoder: 1 };
  return { stream, epoch, seq_from, seq_to, ...about, sums: new Uint8Array(800) };
}

/** One for each pair of first and last number. */
function fill(store: Store, stream: Stream, epoch: number, spans: readonly (readonly [number, number])[]): Span[] {
  const seals = spans.map(([seq_from, seq_to]) => ({ stream, epoch, seq_from, seq_to }));
  for (const span of seals) store.addSeal(seal(span));
  return seals;
}

/** The first of `seals`, which are in order, that holds a number after (epoch, seq). */
function expected(seals: readonly Span[], epoch: number, seq: number): Span | undefined {
  return seals.find((span) => span.epoch > epoch || (span.epoch === epoch && span.seq_to > seq));
}

function assertAll(store: Store, stream: Stream, seals: readonly Span[]): void {
  const numbers = [...Array(62).keys()];
  // Forward as a drain asks, then from anywhere.
  for (const step of [1, 17, 44]) {
    for (const at of numbers) {
      const seq = (at * step) % numbers.length;
      for (const epoch of [1, 2]) {
        const found = store.sealAfter(stream, epoch, seq);
        const wanted = expected(seals, epoch, seq);
        assert.deepEqual([found?.epoch, found?.seq_from], [wanted?.epoch, wanted?.seq_from], `after ${epoch}/${seq}`);
      }
    }
  }
  // Whoever asks next finds something read ahead.
  store.sealAfter(stream, 1, 0);
}

/** More than are read at once, with numbers missing between. */
const SPANS = Array.from({ length: 20 }, (_, at) => [3 * at + 1, 3 * at + (at % 4 === 0 ? 2 : 3)] as const);

test("any place of any epoch is found, also among numbers that are not there", (t) => {
  const { store } = fileOf(t);
  const seals = [...fill(store, "t", 1, SPANS), ...fill(store, "t", 2, SPANS.slice(5))];
  const bulk = fill(store, "b", 1, [[5, 40]]);
  assertAll(store, "t", seals);
  assertAll(store, "b", bulk);
});

test("what is dropped is not given any more, what is added is", (t) => {
  const { store } = fileOf(t);
  const seals = fill(store, "t", 1, SPANS);
  assertAll(store, "t", seals);
  for (const index of [0, 0, 5, 14, 3, 0]) {
    const [dropped] = seals.splice(index, 1);
    store.dropSeal({ ...seal(dropped as Span), crc: 0 });
    assertAll(store, "t", seals);
  }
  seals.push(...fill(store, "t", 2, SPANS));
  assertAll(store, "t", seals);
  seals.unshift(...fill(store, "t", 1, [[1, 1]]));
  assertAll(store, "t", seals);
});

test("what a transaction wrote is forgotten when it is rolled back", (t) => {
  const { store } = fileOf(t);
  const seals = fill(store, "t", 1, SPANS);
  const late = { stream: "t", epoch: 2, seq_from: 1, seq_to: 60 } as const;
  const fails = (): never => {
    store.dropSeal({ ...seal(seals[0] as Span), crc: 0 });
    store.addSeal(seal(late));
    assertAll(store, "t", [...seals.slice(1), late]);
    throw new Error("no space");
  };
  assert.throws(() => store.transaction(fails), /no space/);
  assertAll(store, "t", seals);
});

test("a rotted seal stops who comes to it, and nobody before", (t) => {
  const { store, db } = fileOf(t);
  fill(store, "t", 1, SPANS);
  // As if it ended before it begins: without its checksum the next one would be taken for the one that follows.
  db.exec("UPDATE seal SET seq_to = 0 WHERE seq_from = 7");
  assert.equal(store.sealAfter("t", 1, 0)?.seq_from, 1);
  assert.equal(store.sealAfter("t", 1, 2)?.seq_from, 4);
  assert.throws(() => store.sealAfter("t", 1, 6), RottedSeal);
  assert.throws(() => store.sealAfter("t", 1, 6), RottedSeal);
  assert.equal(store.sealAfter("t", 1, 0)?.seq_from, 1);
});

test("a drain asks the table for many at once", (t) => {
  const { store, db } = fileOf(t);
  fill(store, "t", 1, SPANS);
  assert.equal(store.sealAfter("t", 1, 0)?.seq_from, 1);
  // Behind the store's back: only what it has in memory already can be given out now.
  db.exec("DELETE FROM seal");
  assert.equal(store.sealAfter("t", 1, 2)?.seq_from, 4);
  assert.equal(store.sealAfter("t", 1, 6)?.seq_from, 7);
  store.transaction(() => {});
  assert.equal(store.sealAfter("t", 1, 9), undefined);
});
