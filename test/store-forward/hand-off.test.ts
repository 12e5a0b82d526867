import assert from "node:assert/strict";
import { test } from "node:test";
import { PackedBatches } from "../../core/pack-reader.ts";
import { HandOff } from "../../store-forward/hand-off.ts";
import type { ToStorage } from "../../store-forward/protocol.ts";
import { batch } from "./outbox/support.ts";

type Batches = Extract<ToStorage, { type: "batches" }>;

function bench(maxPending: number, bufferBytes: number) {
  const posted: Batches[] = [];
  const clock = { mono: 0, synced: true, monoMs: () => clock.mono, wallUs: () => 0, fromSystemUs: (us: number) => us };
  const post = (message: ToStorage, transfer: ArrayBuffer[]): void => {
    assert.equal(message.type, "batches");
    // As a real thread would do it: the memory goes with the message.
    posted.push(structuredClone(message as Batches, { transfer }));
  };
  return { posted, clock, handOff: new HandOff({ post, clock, maxPending, bufferBytes }) };
}

function times({ bytes }: Batches): number[] {
  return Array.from(new PackedBatches([bytes]), ({ tUs }) => tUs / 1000);
}

// Two batches of one number fit: 12 bytes of header, 5 of entry, and room is kept for the longest text.
const TWO = 1064;

test("posts what there is at a flush, with its watermark", () => {
  const { posted, handOff } = bench(4, 64 * 1024);
  handOff.add(batch(1000, [1, 5]));
  handOff.add(batch(1001, [2, "x"], [3, null]));
  assert.equal(posted.length, 0);
  handOff.flush(1050);
  assert.deepEqual(
    posted.map(({ samples, watermark, synced }) => [samples, watermark, synced]),
    [[3, 1050, true]],
  );
  assert.deepEqual(times(posted[0]!), [1000, 1001]);
  assert.equal(handOff.pending, 1);
  handOff.taken();
  assert.equal(handOff.pending, 0);
  for (const watermark of [1060, 1070, 1080]) {
    handOff.add(batch(watermark, [1, 5]));
    handOff.flush(watermark);
  }
  handOff.taken(2);
  assert.equal(handOff.pending, 1);
  // A thread that died had not answered what its successor never got.
  handOff.taken(2);
  assert.equal(handOff.pending, 0);
});

test("a full buffer goes at once, with the watermark that was true for it", () => {
  const { posted, handOff } = bench(4, TWO);
  handOff.add(batch(1000, [1, 5]));
  handOff.flush(1000);
  for (let ms = 1001; ms <= 1010; ms++) handOff.add(batch(ms, [1, ms]));
  handOff.flush(1010);
  for (const message of posted) {
    const later = posted.slice(posted.indexOf(message) + 1).flatMap(times);
    assert.ok(
      later.every((ms) => ms > message.watermark),
      "nothing up to a watermark comes after it",
    );
  }
  assert.ok(posted.length > 2);
  assert.deepEqual(
    posted.flatMap(times).length,
    posted.reduce((sum, { samples }) => sum + samples, 0),
  );
});

test("unanswered buffers are bounded; behind them the oldest is dropped and told with the next", () => {
  const { posted, handOff } = bench(2, TWO);
  for (let ms = 0; ms < 100; ms++) {
    handOff.add(batch(ms, [1, ms]));
    handOff.flush(ms);
  }
  assert.equal(posted.length, 2);
  for (let i = 0; i < 20; i++) handOff.taken();
  handOff.flush(100);
  const seen = posted.flatMap(times);
  const told = posted.flatMap(({ overload }) => (overload === undefined ? [] : [overload]));
  assert.equal(handOff.dropped, 100 - seen.length);
  assert.equal(
    told.reduce((sum, { samples }) => sum + samples, 0),
    handOff.dropped,
  );
  const lost = Array.from({ length: 100 }, (_, ms) => ms).filter((ms) => !seen.includes(ms));
  assert.deepEqual([told[0]?.t0, told.at(-1)?.t1], [lost[0], lost.at(-1)]);
  assert.equal(posted.at(-1)?.watermark, 100);
  // What a watermark covers is in a message up to it, or told as lost up to it.
  for (const [index, { watermark }] of posted.entries()) {
    const known = new Set(posted.slice(0, index + 1).flatMap(times));
    const covered = posted.slice(0, index + 1).flatMap(({ overload }) => (overload === undefined ? [] : [overload]));
    for (let ms = 0; ms <= Math.min(watermark, 99); ms++) {
      assert.ok(known.has(ms) || covered.some(({ t0, t1 }) => t0 <= ms && ms <= t1), `${ms} at ${watermark}`);
    }
  }
});

test("the watermark moves without samples, not at every tick", () => {
  const { posted, clock, handOff } = bench(4, TWO);
  for (let tick = 0; tick < 20; tick++) {
    clock.mono += 100;
    handOff.flush(5000 + tick * 100);
    while (handOff.pending > 0) handOff.taken();
  }
  assert.ok(posted.length >= 3 && posted.length <= 5, `${posted.length} messages`);
  assert.ok(posted.every(({ samples, bytes }) => samples === 0 && bytes.length === 0));
});

test("the watermark moves without samples while answers come once a second, and is not heaped up without any", () => {
  const { posted, clock, handOff } = bench(64, TWO);
  const seconds = (count: number, answered: boolean): number => {
    const before = posted.length;
    for (let tick = 0; tick < 10 * count; tick++) {
      clock.mono += 100;
      handOff.flush(5000 + clock.mono);
      if (answered && tick % 10 === 9) handOff.taken(handOff.pending);
    }
    return posted.length - before;
  };
  assert.equal(seconds(10, true), 20);
  assert.equal(handOff.pending, 0);
  assert.equal(seconds(100, false), 33);
});

test("one buffer is before or after the synchronisation of the clock, never both", () => {
  const { posted, clock, handOff } = bench(4, 64 * 1024);
  clock.synced = false;
  handOff.add(batch(1, [1, 1]));
  handOff.flush(1);
  handOff.add(batch(2, [1, 1]));
  clock.synced = true;
  handOff.add(batch(3, [1, 1]));
  handOff.flush(3);
  assert.deepEqual(
    posted.map((message) => [times(message), message.synced]),
    [
      [[1], false],
      [[2], false],
      [[3], true],
    ],
  );
});

test("a batch that no buffer can hold is counted and told", () => {
  const { posted, clock, handOff } = bench(4, TWO);
  handOff.add(batch(7, [1, "x".repeat(1000)], [2, "y".repeat(1000)]));
  assert.equal(handOff.dropped, 2);
  clock.mono = 1000;
  handOff.flush(10);
  assert.deepEqual(posted[0]?.overload, { samples: 2, t0: 7, t1: 7 });
});

test("the end posts whatever waits, answered or not", () => {
  const { posted, handOff } = bench(1, TWO);
  for (let ms = 0; ms < 6; ms++) handOff.add(batch(ms, [1, ms]));
  handOff.finish(5);
  const told = posted.reduce((sum, { overload }) => sum + (overload?.samples ?? 0), 0);
  assert.equal(posted.flatMap(times).length + told, 6);
  assert.equal(posted.at(-1)?.watermark, 5);
});

test("a storage thread that dies: what it had not made durable is told as lost, and the way is free again", () => {
  const { posted, handOff } = bench(2, TWO);
  for (let tick = 0; tick < 4; tick++) {
    handOff.add(batch(tick * 100, [1, tick]));
    handOff.flush(tick * 100 + 50);
    if (tick < 2) handOff.taken();
  }
  handOff.durable(150);
  assert.equal(handOff.pending, 2);
  assert.equal(handOff.lost(), 3);
  handOff.add(batch(400, [1, 4]));
  handOff.flush(450);
  // 100 was on disk as well, but a watermark that is reached says so only of what came before it.
  assert.deepEqual(posted.at(-1)?.overload, { samples: 3, t0: 100, t1: 300 });
  assert.deepEqual(times(posted.at(-1)!), [400]);
  assert.equal(handOff.pending, 1);
});

test("a thread that dies again takes nothing untold with it", () => {
  const { posted, handOff } = bench(2, TWO);
  handOff.add(batch(100, [1, 1]));
  handOff.flush(150);
  handOff.lost();
  handOff.add(batch(200, [1, 2]));
  handOff.flush(250);
  assert.deepEqual(posted.at(-1)?.overload, { samples: 1, t0: 100, t1: 100 });
  handOff.lost();
  handOff.add(batch(300, [1, 3]));
  handOff.flush(350);
  assert.deepEqual(posted.at(-1)?.overload, { samples: 2, t0: 100, t1: 200 });
  assert.equal(handOff.dropped, 2);
});

test("what waits behind a dead thread is handed to the next one", () => {
  const { posted, handOff } = bench(1, TWO);
  for (let ms = 0; ms < 4; ms++) {
    handOff.add(batch(ms, [1, ms]));
    handOff.flush(ms);
  }
  assert.deepEqual(posted.flatMap(times), [0]);
  handOff.lost();
  handOff.flush(4);
  while (handOff.pending > 0) {
    handOff.taken();
    handOff.flush(5);
    if (posted.flatMap(times).includes(3)) break;
  }
  assert.deepEqual(posted.flatMap(times), [0, 1, 2, 3]);
  assert.deepEqual(
    posted.flatMap(({ overload }) => overload ?? []),
    [{ samples: 1, t0: 0, t1: 0 }],
  );
});

test("a disk that refuses for days: what is not durable is remembered in bounded memory", () => {
  const { posted, handOff } = bench(2, TWO);
  for (let tick = 0; tick < 5000; tick++) {
    handOff.add(batch(tick, [1, tick]));
    handOff.flush(tick);
    handOff.taken();
  }
  assert.ok(handOff.undurable <= 1000, `${handOff.undurable} entries`);
  assert.equal(handOff.lost(), 5000);
  handOff.add(batch(5000, [1, 1]));
  handOff.flush(5000);
  assert.deepEqual(posted.at(-1)?.overload, { samples: 5000, t0: 0, t1: 4999 });
});

test("a new era: no buffer mixes two, its watermark is the first of its own, and what is durable is told by era", () => {
  const { posted, clock, handOff } = bench(8, 64 * 1024);
  clock.synced = false;
  handOff.add(batch(5000, [1, 1]));
  handOff.flush(5100);
  handOff.add(batch(5200, [1, 2]));
  handOff.flush(0);
  clock.synced = true;
  handOff.newEra(1000);
  handOff.add(batch(1100, [1, 3]));
  handOff.flush(1150);
  assert.deepEqual(
    posted.map((message) => [times(message), message.watermark, message.synced, message.era]),
    [
      [[5000], 5100, false, 0],
      [[5200], 5100, false, 0],
      [[], 1000, true, 1],
      [[1100], 1150, true, 1],
    ],
  );
  assert.equal(handOff.undurable, 3);
  handOff.durable(5150, 0);
  assert.equal(handOff.undurable, 1, "an old claim says nothing of the new era");
  handOff.durable(1149, 1);
  assert.equal(handOff.undurable, 1);
  handOff.durable(1151, 1);
  assert.equal(handOff.undurable, 0);
});

test("what was dropped before a jump is told as of before it, and vouches for nothing that still waits", () => {
  const { posted, handOff } = bench(1, TWO);
  for (let ms = 5000; ms < 5010; ms++) handOff.add(batch(ms, [1, ms]));
  assert.ok(handOff.dropped > 0);
  handOff.flush(5009);
  handOff.newEra(1000);
  const told = posted.filter(({ overload }) => overload !== undefined);
  assert.deepEqual(
    told.map(({ era, watermark, overload }) => [era, watermark, overload?.samples]),
    [[0, 0, handOff.dropped]],
  );
});
