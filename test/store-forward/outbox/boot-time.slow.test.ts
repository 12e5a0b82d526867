/** The stored wall time: where an unsynchronised start begins (DESIGN invariant 10). */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { test } from "node:test";
import { BUILD_DATE_MS, bootFileOf, leastWallMs, readBootFile } from "../../../store-forward/boot.ts";
import type { Outbox } from "../../../store-forward/outbox/outbox.ts";
import { type Bench, batch, bench, give, packed, parsed, T0 } from "./support.ts";

const FAR_MS = Date.UTC(2099, 0, 1);
const MINUTE_MS = 60_000;

function storedMs({ path }: Bench): number {
  return readBootFile(bootFileOf(path))?.wallMs ?? 0;
}

/** Where the next start begins if its clock is not set. */
function nextStartMs({ path }: Bench): number {
  return leastWallMs(readBootFile(bootFileOf(path)));
}

function take(outbox: Outbox, tMs: number): void {
  outbox.take({ ...packed(batch(tMs, [1, 1])), watermark: tMs, synced: false });
}

test("a far-future clock that nobody confirmed is the base of its own start only", (t) => {
  const kit = bench(t);
  kit.open().close();
  assert.equal(storedMs(kit), T0);
  kit.clock.wall = FAR_MS;
  const wrong = kit.open({ synced: false });
  kit.clock.pass(10 * MINUTE_MS);
  wrong.take({ ...packed(batch(kit.clock.wall, [1, 1])), watermark: kit.clock.wall, synced: false });
  wrong.commit({ final: true });
  wrong.close();
  assert.equal(storedMs(kit), T0 + 10 * MINUTE_MS, "what is known, and the time that passed");
  assert.equal(nextStartMs(kit), storedMs(kit));
});

test("a true clock puts a wrong stored time right, backwards too", (t) => {
  const kit = bench(t);
  kit.clock.wall = FAR_MS;
  kit.open().close();
  assert.equal(storedMs(kit), FAR_MS);
  kit.clock.wall = T0;
  const outbox = kit.open({ synced: false });
  assert.equal(storedMs(kit), FAR_MS);
  outbox.takeCritical({ kind: "time", t0: T0, body: '"time":{"boot":2,"offset_ms":-9}' });
  outbox.commit({ final: true });
  assert.equal(storedMs(kit), T0);
  assert.equal(nextStartMs(kit), T0);
});

test("after an ordered stop the next start begins behind the last sample, whose clock ran before storage did", (t) => {
  const kit = bench(t);
  kit.clock.wall = BUILD_DATE_MS + 367;
  let outbox = kit.open({ synced: false });
  kit.clock.pass(10_000);
  take(outbox, kit.clock.wall);
  outbox.commit({ final: true });
  assert.ok(nextStartMs(kit) >= kit.clock.wall, `${kit.clock.wall - nextStartMs(kit)} ms before the last sample`);
  assert.ok(nextStartMs(kit) - kit.clock.wall <= 1, "no later than needed");
  outbox.close();

  // The field thread's clock and ours may differ by milliseconds; what is stamped counts.
  outbox = kit.open({ synced: false });
  const lastMs = kit.clock.wall + 40;
  take(outbox, lastMs);
  outbox.commit({ final: true });
  assert.equal(nextStartMs(kit), lastMs);
});

test("killed at any moment, the next start begins behind the last sample, by less than a minute", (t) => {
  const kit = bench(t);
  kit.clock.wall = BUILD_DATE_MS + 367;
  const outbox = kit.open({ synced: false });
  for (let second = 0; second < 300; second++) {
    // Ten quiet minutes, in which nothing is worth a write.
    if (second === 150) for (let quiet = 0; quiet < 600; quiet++, kit.clock.pass(1000)) outbox.commit();
    kit.clock.pass(1000);
    take(outbox, kit.clock.wall);
    outbox.commit();
    const aheadMs = nextStartMs(kit) - kit.clock.wall;
    assert.ok(aheadMs >= 0 && aheadMs < MINUTE_MS, `second ${second}: ${aheadMs} ms ahead of the last sample`);
  }
});

test("a jump of the clock is no end: what is stamped after it is covered too", (t) => {
  const kit = bench(t);
  kit.clock.wall = BUILD_DATE_MS + 367;
  const outbox = kit.open({ synced: false });
  take(outbox, kit.clock.wall);
  outbox.commit();
  kit.clock.wall = T0 + 86_400_000;
  for (let second = 0; second < 3; second++) {
    kit.clock.pass(1000);
    const lastMs = kit.clock.wall;
    outbox.take({ ...packed(batch(lastMs, [1, second])), watermark: lastMs, synced: true, era: 1 });
    outbox.commit();
    const aheadMs = nextStartMs(kit) - lastMs;
    assert.ok(aheadMs >= 0 && aheadMs < MINUTE_MS, `${aheadMs} ms ahead of the last sample`);
  }
});

test("starts without a clock go on from each other, and never before the build date", (t) => {
  const kit = bench(t);
  kit.clock.wall = 0;
  for (const minutes of [1, 2, 3]) {
    const outbox = kit.open({ synced: false });
    kit.clock.pass(MINUTE_MS);
    outbox.commit({ final: true });
    outbox.close();
    assert.equal(storedMs(kit), BUILD_DATE_MS + minutes * MINUTE_MS);
  }
});

test("without a link, too, the stored time follows the newest stored sample, and catches up after a kill", (t) => {
  const kit = bench(t);
  const outbox = kit.open();
  for (let second = 0; second < 100; second++) {
    kit.clock.pass(1000);
    give(outbox, batch(kit.clock.wall, [1, second]));
    outbox.commit();
  }
  assert.ok(kit.clock.wall - storedMs(kit) <= MINUTE_MS, `${kit.clock.wall - storedMs(kit)} ms behind`);
  const newestMs = kit.clock.wall;
  kit.clock.wall = 0;
  kit.open({ synced: false });
  assert.equal(storedMs(kit), newestMs);
});

test("the outbox lost: the gap reaches over what was stored after the boot file was written", (t) => {
  const kit = bench(t);
  let outbox = kit.open();
  kit.clock.pass(30_000);
  const lastMs = kit.clock.wall;
  give(outbox, batch(lastMs, [1, 1]));
  outbox.commit();
  outbox.close();
  for (const suffix of ["", "-wal", "-shm"]) rmSync(kit.path + suffix, { force: true });
  outbox = kit.open();
  const gaps = parsed(outbox, "c").flatMap(({ gap }) => (gap === undefined ? [] : [gap]));
  assert.equal(gaps.length, 3);
  for (const { t0, t1 } of gaps) assert.ok(t0 <= T0 && t1 >= lastMs, `${t0} to ${t1}`);
});
