import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CommitLoop } from "../../../store-forward/outbox/commit-loop.ts";

function bench(commitIntervalMs: number) {
  const commits: number[] = [];
  const outbox = {
    urgent: false,
    full: false,
    commit: () => {
      commits.push(performance.now());
      outbox.urgent = false;
      return true;
    },
  };
  return {
    commits,
    outbox,
    loop: new CommitLoop({ outbox, commitIntervalMs, monoMs: () => performance.now() }),
  };
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!holds()) {
    assert.ok(performance.now() < deadline, "took too long");
    await sleep(2);
  }
}

test("each commit is told at once: until then the hand-off counts its samples as lost with the thread", async () => {
  const { commits, outbox } = bench(1);
  const told: number[] = [];
  const monoMs = () => performance.now();
  const loop = new CommitLoop({ outbox, commitIntervalMs: 20, monoMs, onCommitted: () => told.push(commits.length) });
  const stop = new AbortController();
  const running = loop.run(stop.signal);
  await until(() => commits.length >= 3);
  stop.abort();
  await running;
  assert.deepEqual(
    told,
    commits.map((_, at) => at + 1),
  );
});

test("critical records do not wait for the interval, and come to at most 20 commits a second", async () => {
  const { commits, outbox, loop } = bench(60_000);
  const stop = new AbortController();
  const running = loop.run(stop.signal);
  const begin = performance.now();
  await until(() => {
    outbox.urgent = true;
    loop.poke();
    return commits.length === 4;
  });
  assert.ok(performance.now() - begin >= 4 * 50 - 5, `${performance.now() - begin} ms`);
  stop.abort();
  await running;
});

test("commits at the interval, and ends at once", async () => {
  const { commits, loop } = bench(50);
  const stop = new AbortController();
  const running = loop.run(stop.signal);
  await until(() => commits.length === 3);
  stop.abort();
  await running;
  assert.ok((commits[2] ?? 0) - (commits[0] ?? 0) >= 80);
});

test("a medium that refuses does not make the loop spin", async () => {
  const { commits, outbox, loop } = bench(60_000);
  outbox.commit = () => {
    commits.push(0);
    return false;
  };
  outbox.urgent = true;
  const stop = new AbortController();
  const running = loop.run(stop.signal);
  await until(() => commits.length === 2);
  stop.abort();
  await running;
  assert.ok(commits.length <= 3);
});

test("an interval that changes counts from the next wait on", async () => {
  const commits: number[] = [];
  const outbox = { urgent: false, full: false, commit: () => commits.push(performance.now()) > 0 };
  const options = { outbox, commitIntervalMs: 200, monoMs: () => performance.now() };
  const stop = new AbortController();
  const running = new CommitLoop(options).run(stop.signal);
  try {
    await until(() => commits.length >= 1);
    options.commitIntervalMs = 5;
    await until(() => commits.length >= 6);
  } finally {
    stop.abort();
    await running;
  }
  const [, second = 0, , , , sixth = 0] = commits;
  assert.ok(sixth - second < 600, `${sixth - second} ms for four commits`);
});
