import assert from "node:assert/strict";
import { test } from "node:test";
import { SourceLosses, type ToldLoss } from "../../daemon/source-losses.ts";
import { HandClock } from "../drivers/can/fakes.ts";

const MINUTE_MS = 60_000;

function losses() {
  const clock = new HandClock();
  const told: ToldLoss[] = [];
  const waits: { ms: number; end: () => void }[] = [];
  const book = new SourceLosses({
    clock,
    tell: (loss) => told.push(loss),
    wait: (ms, signal) =>
      new Promise((resolve) => {
        waits.push({ ms, end: resolve });
        signal.addEventListener("abort", () => resolve());
      }),
  });
  const end = new AbortController();
  const lose = (frames: number, fromMs: number, toMs: number): void =>
    book.take({ frames, fromMs, toMs, why: "the queue was full" }, end.signal);
  return { clock, told, waits, book, end, lose };
}

const frames = (told: readonly ToldLoss[]): number[] => told.map((loss) => loss.frames);

test("the first loss is told at once, at its times on the wall clock", () => {
  const { clock, told, book, lose } = losses();
  clock.ms = 5000;
  lose(7, 3000, 4500.5);
  const wall = clock.wallUs() / 1000;
  assert.deepEqual(told, [{ frames: 7, t0: wall - 2000, t1: wall - 499, why: "the queue was full" }]);
  assert.equal(book.frames, 7);
});

test("what follows within a minute is counted at once and told as one when the minute is over", async () => {
  const { clock, told, waits, book, lose } = losses();
  lose(1, 0, 10);
  clock.ms += 1000;
  lose(2, 900, 1000);
  clock.ms += 1000;
  lose(3, 1500, 2000);
  assert.deepEqual([frames(told), book.frames], [[1], 6]);
  assert.deepEqual(
    waits.map(({ ms }) => ms),
    [MINUTE_MS - 1000],
  );
  clock.ms += MINUTE_MS;
  waits[0]!.end();
  await Promise.resolve();
  assert.deepEqual(frames(told), [1, 5]);
  assert.equal(told[1]!.t1 - told[1]!.t0, 1100);
  clock.ms += MINUTE_MS;
  lose(4, clock.ms - 10, clock.ms);
  assert.deepEqual(frames(told), [1, 5, 4]);
});

test("the end of the source tells what is left", async () => {
  const { told, end, lose } = losses();
  lose(1, 0, 10);
  lose(2, 10, 20);
  end.abort();
  await Promise.resolve();
  assert.deepEqual(frames(told), [1, 2]);
  lose(3, 20, 30);
  assert.deepEqual(frames(told), [1, 2, 3]);
});

test("a clock that jumps before it is told takes the times along", async () => {
  const { clock, told, waits, lose } = losses();
  lose(1, 0, 10);
  lose(2, 500, 600);
  const before = clock.wallUs();
  clock.wallUs = () => before + 3_600_000_000;
  waits[0]!.end();
  await Promise.resolve();
  assert.equal(told[1]!.t0, Math.floor((before + 3_600_000_000) / 1000 - clock.ms + 500));
});
