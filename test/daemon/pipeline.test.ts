import assert from "node:assert/strict";
import { test } from "node:test";
import { type Batch, GOOD, STALE } from "../../core/sample.ts";
import { type AssetSpec, buildSignalTable, type CollectRule } from "../../core/signals.ts";
import { Pipeline } from "../../daemon/pipeline/pipeline.ts";

/** Time stands still until a test moves it. */
class FakeClock {
  nowMs = 1_000_000;
  readonly synced = true;
  monoMs(): number {
    return this.nowMs;
  }
  wallUs(): number {
    return this.nowMs * 1000;
  }
  fromSystemUs(us: number): number {
    return us;
  }
}

function rig(collect: CollectRule) {
  const signal = (name: string) => ({ name, type: "number" as const, maxAgeMs: 3000, collect });
  const asset: AssetSpec = { id: "m", kind: "meter", source: "s", signals: [signal("A"), signal("B")] };
  const clock = new FakeClock();
  const sent: Batch[] = [];
  const stored: Batch[] = [];
  const order: string[] = [];
  const pipeline = new Pipeline({
    table: buildSignalTable("gw", "test", [asset]),
    clock,
    send: (batch) => {
      order.push("send");
      sent.push(batch);
    },
    store: (batch) => {
      order.push("store");
      stored.push(batch);
    },
  });
  const read = (values: number[]): Batch => {
    const batch: Batch = { tUs: clock.wallUs(), numbers: [1, 2], values, quality: [GOOD, GOOD] };
    pipeline.take(batch);
    return batch;
  };
  return { clock, pipeline, sent, stored, order, read };
}

test("a batch leaves as a datagram before it is stored", () => {
  const { read, order } = rig("every");
  read([1, 2]);
  assert.deepEqual(order, ["send", "store"]);
});

test("silence for max_age gives one stale sample with the old time, then nothing, then good again", () => {
  const { clock, pipeline, stored, read } = rig("every");
  const tUs = read([5, 6]).tUs;
  clock.nowMs += 3000;
  pipeline.tick();
  assert.equal(stored.length, 1, "not stale at max_age exactly");
  clock.nowMs += 1;
  pipeline.tick();
  clock.nowMs += 60_000;
  pipeline.tick();
  assert.deepEqual(stored.slice(1), [{ tUs, asset: "m", numbers: [1, 2], values: [5, 6], quality: [STALE, STALE] }]);
  read([5, 6]);
  assert.deepEqual(stored.at(-1)?.quality, [GOOD, GOOD]);
});

test("the watermark trails what was seen, and never passes a change that is held back", () => {
  const { clock, pipeline, read } = rig({ minMs: 1000, maxMs: 60_000 });
  read([1, 1]);
  pipeline.tick();
  const seenMs = clock.nowMs;
  clock.nowMs += 200;
  read([2, 1]);
  const heldMs = clock.nowMs;
  clock.nowMs += 300;
  assert.equal(pipeline.tick(), seenMs - 100);
  clock.nowMs += 500;
  assert.equal(pipeline.tick(), heldMs - 1);
  clock.nowMs += 1000;
  pipeline.tick();
  clock.nowMs += 100;
  assert.equal(pipeline.tick(), clock.nowMs - 200);
});

test("a change held back is told as good before it goes stale", () => {
  const { clock, pipeline, stored, read } = rig({ minMs: 10_000, maxMs: 60_000 });
  read([1, 1]);
  clock.nowMs += 500;
  read([2, 1]);
  clock.nowMs += 3001;
  pipeline.tick();
  const kept = stored.slice(1).map(({ values, quality }) => ({ values, quality }));
  assert.deepEqual(kept, [
    { values: [2], quality: [GOOD] },
    { values: [2, 1], quality: [STALE, STALE] },
  ]);
});

test("a stop hands over what was held back", () => {
  const { clock, pipeline, stored, read } = rig({ minMs: 1000, maxMs: 60_000 });
  read([1, 1]);
  clock.nowMs += 100;
  read([2, 1]);
  assert.equal(pipeline.finish(), clock.nowMs);
  assert.deepEqual(stored.at(-1)?.values, [2]);
});

test("status gets each changed value once", () => {
  const { pipeline, read } = rig("every");
  read([1, 2]);
  read([3, 4]);
  assert.deepEqual(pipeline.latest.takeChanged().values, [3, 4]);
  assert.deepEqual(pipeline.latest.takeChanged().values, []);
});
