import assert from "node:assert/strict";
import { test } from "node:test";
import { Pending } from "../../../store-forward/outbox/pending.ts";
import { batch, bench, give, MIB, packed, T0 } from "./support.ts";

const TEXT = "x".repeat(1000);

function large(t0: number, samples: number) {
  return Array.from({ length: samples }, (_, i) => batch(t0 + i, [1, TEXT]));
}

test("durable_until waits for the last slice of a commit that takes several", (t) => {
  const { open } = bench(t);
  const outbox = open();
  for (let i = 0; i < 10; i++) give(outbox, ...large(T0 + i * 1000, 250));
  const told: number[] = [];
  outbox.onSealed = () => told.push(outbox.status().durable_until);
  assert.equal(outbox.commit({ seal: true }), true);
  assert.ok(told.length >= 2, `${told.length} slices`);
  assert.deepEqual(told.slice(0, -1), Array(told.length - 1).fill(0), "part of the samples is on disk, part is not");
  assert.equal(outbox.status().durable_until, T0 + 9249);
});

test("after a step back durable_until is cut to before the new era's samples, garbage counting as its watermark", () => {
  const good = packed(batch(T0 + 300, [1, 1]), batch(T0 + 650, [1, 2]));
  const handOffs: [handedOver: { bytes: Uint8Array; samples: number }, durableUntil: number][] = [
    [good, T0 + 299],
    [{ bytes: new Uint8Array([1, 0, 0, 0, 9]), samples: 2 }, T0 + 699],
    [{ bytes: new Uint8Array(0), samples: 0 }, T0 + 700],
  ];
  for (const [handedOver, durableUntil] of handOffs) {
    const pending = new Pending();
    pending.take({ ...packed(batch(T0, [1, 1])), watermark: T0 + 1000, synced: true });
    pending.committed(1);
    pending.allCommitted();
    assert.equal(pending.watermark.durableUntil, T0 + 1000);
    pending.take({ ...handedOver, watermark: T0 + 700, synced: true, era: 1 });
    assert.equal(pending.watermark.durableUntil, durableUntil);
  }
});

test("what is dropped for want of memory is counted sample by sample, with its times", () => {
  const pending = new Pending();
  const perHandOff = [3, 700, 20, 500, 1];
  let handed = 0;
  for (let i = 0; i < 60; i++) {
    const samples = perHandOff[i % perHandOff.length] ?? 1;
    pending.take({ ...packed(...large(T0 + i * 1000, samples)), watermark: T0 + i * 1000, synced: true });
    handed += samples;
  }
  const held = pending.slice(Number.POSITIVE_INFINITY);
  const kept = held.reduce((sum, { samples }) => sum + samples, 0);
  assert.ok(kept > 0 && kept < handed);
  const { overload } = pending.losses;
  assert.equal(overload?.samples, handed - kept);
  assert.equal(overload?.t0, T0);
  assert.ok((overload?.t1 ?? 0) < (held[0]?.t0 ?? 0));
  assert.ok(pending.bytes <= 8 * MIB && pending.bytes > 7 * MIB, `${pending.bytes}`);
  assert.equal(
    pending.bytes,
    held.reduce((sum, { bytes }) => sum + bytes.length, 0),
  );
});

test("losses add up until a commit has told them, then they begin anew", () => {
  const pending = new Pending();
  const lose = (samples: number, t0: number, t1: number): void =>
    pending.take({
      bytes: new Uint8Array(0),
      samples: 0,
      watermark: t1,
      synced: true,
      overload: { samples, t0, t1 },
    });
  lose(812, T0 + 50, T0 + 60);
  lose(8, T0 + 10, T0 + 20);
  lose(80, T0 + 70, T0 + 90);
  assert.deepEqual(pending.losses.overload, { samples: 900, t0: T0 + 10, t1: T0 + 90 });
  for (const samples of [3, 4]) {
    pending.take({ bytes: new Uint8Array([1, 0, 0, 0, 9]), samples, watermark: T0 + samples, synced: true });
  }
  assert.deepEqual(pending.losses.corrupt, { samples: 7, t0: T0 + 3, t1: T0 + 4 });
  pending.committed(0);
  assert.deepEqual(pending.losses, { overload: undefined, corrupt: undefined, critical: undefined });
});

test("critical records beyond their room: the oldest go, each counted once", () => {
  const pending = new Pending();
  for (let i = 0; i < 1003; i++) pending.takeCritical({ kind: "event", t0: T0 + i, body: `"event":{}` });
  assert.equal(pending.critical.length, 1000);
  assert.equal(pending.critical[0]?.t0, T0 + 3);
  assert.deepEqual(pending.losses.critical, { samples: 3, t0: T0, t1: T0 + 2 });
});
