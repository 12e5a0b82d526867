/** Stream b in the outbox: first to go when space is short or data is old. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import type { Batch } from "../../../core/sample.ts";
import type { Outbox } from "../../../store-forward/outbox/outbox.ts";
import { all, batch, bench, give, MIB, parsed, storeBulk, T0 } from "./support.ts";

const HOUR = 3_600_000;

function counts(outbox: Outbox): { readonly b: number; readonly t: number } {
  return { b: all(outbox, "b").length, t: all(outbox, "t").length };
}

/** [stream, from, to] of every gap, told as at a stop. */
function gaps(outbox: Outbox, reason: "full" | "expired") {
  outbox.commit({ final: true });
  const told = parsed(outbox, "c").flatMap(({ gap }) => gap ?? []);
  assert.deepEqual([...new Set(told.map((gap) => gap.reason))], [reason]);
  return told.map(({ c, from, to, samples }) => ({ c, from, to, samples }));
}

/** About 90 KiB that zstd does little to. */
function large(tMs: number): Batch[] {
  return Array.from({ length: 130 }, (_, i) => batch(tMs + i, [1, randomBytes(512).toString("base64")]));
}

test("old bulk goes before old telemetry, whichever is older", (t) => {
  const { open, path, clock } = bench(t);
  let outbox = open();
  for (let i = 0; i < 5; i++) {
    give(outbox, batch(T0 + i, [1, i]));
    outbox.commit({ seal: true });
  }
  outbox.close();
  storeBulk(path, ...Array.from({ length: 70 }, (_, i) => [batch(T0 + 1000 + i, [2, i])]));
  outbox = open({ expireAfterMs: HOUR });
  assert.deepEqual(counts(outbox), { b: 70, t: 5 });
  clock.pass(2 * HOUR);
  outbox.commit();
  assert.deepEqual(counts(outbox), { b: 70 - 64, t: 5 }, "a commit stays short, and took bulk alone");
  outbox.commit();
  assert.deepEqual(counts(outbox), { b: 0, t: 0 });
  assert.equal(outbox.status().drops.expired, 75);
  assert.deepEqual(gaps(outbox, "expired"), [
    { c: "b", from: 1, to: 70, samples: 70 },
    { c: "t", from: 1, to: 5, samples: 5 },
  ]);
});

test("bulk expires by itself; telemetry that is young enough stays", (t) => {
  const { open, path, clock } = bench(t);
  let outbox = open();
  give(outbox, batch(T0 + HOUR, [1, 1]));
  outbox.commit({ seal: true });
  outbox.close();
  storeBulk(path, [batch(T0, [2, 1])], [batch(T0 + HOUR, [2, 2])]);
  outbox = open({ expireAfterMs: HOUR });
  clock.pass(HOUR + 1);
  outbox.commit();
  assert.deepEqual(counts(outbox), { b: 1, t: 1 });
  assert.deepEqual(gaps(outbox, "expired"), [{ c: "b", from: 1, to: 1, samples: 1 }]);
});

test("a full store drops bulk, oldest first, and no telemetry while there is any; critical stays throughout", (t) => {
  const { open, path, clock } = bench(t);
  const budget = { maxBytes: 8.25 * MIB, minFreeBytes: 0 };
  let outbox = open({ budget });
  outbox.takeCritical({ kind: "event", t0: T0, body: '"event":{"type":"one"}' });
  give(outbox, ...large(T0));
  outbox.commit({ seal: true });
  outbox.close();
  // Younger than the telemetry: it goes first all the same.
  storeBulk(path, ...Array.from({ length: 5 }, (_, i) => large(T0 + 1000 * (i + 1))));
  outbox = open({ budget });
  const before = counts(outbox);
  let oldest = 1;
  for (let stored = before.t; counts(outbox).b > 0; ) {
    clock.pass(10_000);
    give(outbox, ...large(clock.wall));
    outbox.commit({ seal: true });
    const now = counts(outbox);
    if (now.b > 0) assert.ok(now.t > stored, "telemetry only grows");
    stored = now.t;
    const [first] = all(outbox, "b");
    assert.ok((first?.seq ?? before.b) >= oldest, "the oldest goes");
    oldest = first?.seq ?? before.b;
  }
  assert.equal(all(outbox, "t")[0]?.seq, 1, "all of it is there when the last of bulk goes");
  for (let i = 0; i < 3; i++) {
    clock.pass(10_000);
    give(outbox, ...large(clock.wall));
    outbox.commit({ seal: true });
  }
  const [bulk, telemetry] = gaps(outbox, "full");
  assert.deepEqual(bulk, { c: "b", from: 1, to: before.b, samples: 5 * 130 });
  assert.deepEqual([telemetry?.c, telemetry?.from, telemetry?.to], ["t", 1, all(outbox, "t")[0]!.seq - 1]);
  assert.equal(parsed(outbox, "c")[0]?.k, "event");
});
