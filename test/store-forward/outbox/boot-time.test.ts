/** The stored wall time: where an unsynchronised start begins (DESIGN invariant 10). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BUILD_DATE_MS, bootFileOf, readBootFile } from "../../../store-forward/boot.ts";
import { type Bench, batch, bench, give, packed, T0 } from "./support.ts";

const FAR_MS = Date.UTC(2099, 0, 1);
const MINUTE_MS = 60_000;

function storedMs({ path }: Bench): number {
  return readBootFile(bootFileOf(path))?.wallMs ?? 0;
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
