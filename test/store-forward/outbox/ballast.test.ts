/** Space in reserve: when it is taken and given, and what the database may grow to without it. */
import assert from "node:assert/strict";
import fs, { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BALLAST_BYTES, Ballast } from "../../../store-forward/outbox/ballast.ts";
import { limitBytes } from "../../../store-forward/outbox/retention.ts";
import { WAL_BYTES } from "../../../store-forward/outbox/sqlite.ts";
import { MIB } from "./support.ts";

const MINUTE = 60_000;

/** Where an outbox and its ballast would lie, in a folder of their own. */
function place(t: TestContext): { readonly path: string; readonly ballast: string } {
  const dir = mkdtempSync(join(tmpdir(), "busbar-ballast-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const path = join(dir, "outbox.db");
  return { path, ballast: `${path}.ballast` };
}

/** The volume has so much free, whatever others do on it meanwhile. */
function leave(t: TestContext, freeBytes: number): void {
  const { mock } = t.mock.method(fs, "statfsSync", () => ({ bavail: freeBytes / 512, bsize: 512 }));
  syncBuiltinESMExports();
  t.after(() => {
    mock.restore();
    syncBuiltinESMExports();
  });
}

test("the space is taken at once, given back at once, and not taken again for a minute", (t) => {
  const { path, ballast } = place(t);
  const kept = new Ballast(path, 0);
  assert.equal(kept.held, false);
  kept.take(1000);
  assert.equal(kept.held, true);
  assert.equal(statSync(ballast).size, BALLAST_BYTES);
  kept.give(5000);
  assert.equal(kept.held, false);
  assert.equal(existsSync(ballast), false);
  kept.take(5000 + MINUTE - 1);
  assert.deepEqual([kept.held, existsSync(ballast)], [false, false]);
  kept.take(5000 + MINUTE);
  assert.deepEqual([kept.held, existsSync(ballast)], [true, true]);
});

test("what an earlier process holds is held; a smaller one, cut off by a full disk, is filled", (t) => {
  const { path, ballast } = place(t);
  writeFileSync(ballast, Buffer.alloc(BALLAST_BYTES));
  // A floor that nothing is left above: it could not be taken now.
  const found = new Ballast(path, 2 ** 60);
  found.take(0);
  assert.equal(found.held, true);
  writeFileSync(ballast, Buffer.alloc(1000));
  const filled = new Ballast(path, 0);
  filled.take(0);
  assert.deepEqual([filled.held, statSync(ballast).size], [true, BALLAST_BYTES]);
});

test("something in its place that cannot be filled is removed, and a minute later the space is taken", (t) => {
  const { path, ballast } = place(t);
  mkdirSync(join(ballast, "sub"), { recursive: true });
  const kept = new Ballast(path, 0);
  kept.take(0);
  assert.deepEqual([kept.held, existsSync(ballast)], [false, false]);
  kept.take(MINUTE - 1);
  assert.deepEqual([kept.held, existsSync(ballast)], [false, false]);
  kept.take(MINUTE);
  assert.equal(kept.held, true);
});

test("it is only taken where its own size again is left above the floor", (t) => {
  const { path, ballast } = place(t);
  leave(t, 500 * MIB);
  for (const [floor, held] of [
    [500 * MIB - 2 * BALLAST_BYTES + 1, false],
    [500 * MIB - 2 * BALLAST_BYTES, true],
  ] as const) {
    const kept = new Ballast(path, floor);
    kept.take(0);
    assert.deepEqual([kept.held, existsSync(ballast)], [held, held], `floor ${floor}`);
  }
});

test("the database may have the budget without log and ballast; short of space, what it has", (t) => {
  const { path } = place(t);
  leave(t, 500 * MIB);
  const own = 64 * MIB - WAL_BYTES - BALLAST_BYTES;
  const limits: [fileBytes: number, minFreeBytes: number, ballastHeld: boolean, limit: number][] = [
    [5 * MIB, 0, true, own],
    [5 * MIB, 500 * MIB, true, own],
    [5 * MIB, 0, false, 5 * MIB],
    [5 * MIB, 1, false, 5 * MIB],
    [5 * MIB, 500 * MIB + 1, true, 5 * MIB],
    [80 * MIB, 0, false, own],
    [80 * MIB, 2 ** 60, true, own],
    // However little it has: something must be workable.
    [4096, 0, false, MIB],
    [4096, 2 ** 60, true, MIB],
  ];
  for (const [fileBytes, minFreeBytes, ballastHeld, limit] of limits) {
    const told = JSON.stringify({ fileBytes, minFreeBytes, ballastHeld });
    assert.equal(limitBytes(path, fileBytes, { maxBytes: 64 * MIB, minFreeBytes }, ballastHeld), limit, told);
  }
  assert.equal(limitBytes(path, 0, { maxBytes: 2 * MIB, minFreeBytes: 0 }, true), MIB);
});
