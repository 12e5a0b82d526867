import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bootFileOf, readBootFile } from "../../../store-forward/boot.ts";
import { CommitLoop } from "../../../store-forward/outbox/commit-loop.ts";
import { DiskWrites } from "../../../store-forward/outbox/disk-writes.ts";
import { batch, bench, FakeClock, give, MIB, T0 } from "./support.ts";

const DAY = 86_400_000;

/** A gateway that writes so much per commit and so much per second beside; its commits at the interval it is told. */
class Plant {
  readonly clock = new FakeClock();
  total = 1000;
  readonly perCommit: number;
  readonly perSecond: number;

  constructor(perCommit: number, perSecond = 0) {
    this.perCommit = perCommit;
    this.perSecond = perSecond;
    this.clock.wall = Math.ceil(T0 / DAY) * DAY;
  }

  writes(dailyBytes: number | undefined): DiskWrites {
    return new DiskWrites({ commitIntervalMs: 1000, dailyBytes, clock: this.clock, read: () => this.total });
  }

  /** Runs for `ms`, returns the longest interval. */
  run(writes: DiskWrites, ms: number): number {
    let longest = 0;
    for (const end = this.clock.mono + ms; this.clock.mono < end; ) {
      const interval = writes.commitIntervalMs;
      longest = Math.max(longest, interval);
      this.clock.pass(interval);
      this.total += this.perCommit + (this.perSecond * interval) / 1000;
    }
    return longest;
  }
}

test("bytes are counted per UTC day, from zero at each midnight", () => {
  const plant = new Plant(10_000);
  const writes = plant.writes(undefined);
  assert.deepEqual(writes.status(), { written_today_bytes: 0 }, "what was written before is another's");
  plant.run(writes, DAY - 1000);
  assert.deepEqual(writes.status(), { written_today_bytes: 86_399 * 10_000 });
  plant.clock.pass(1000);
  assert.deepEqual(writes.status(), { written_today_bytes: 0 });
  plant.total += 5;
  assert.deepEqual(writes.status(), { written_today_bytes: 5 });
});

test("within the budget the interval stays as configured", () => {
  const plant = new Plant(10_000);
  const writes = plant.writes(900_000_000);
  assert.equal(plant.run(writes, DAY - 1000), 1000);
  assert.deepEqual(writes.status(), { written_today_bytes: 86_399 * 10_000, daily_writes_bytes: 900_000_000 });
});

for (const [perSecond, budget] of [
  [0, 100_000_000],
  [200, 100_000_000],
  [0, 20_000_000],
] as const) {
  test(`a day of 864 MB and ${perSecond} B/s beside stays within ${budget / 1e6} MB, evenly, by fewer commits`, () => {
    const plant = new Plant(10_000, perSecond);
    const writes = plant.writes(budget);
    plant.run(writes, DAY / 2);
    const half = writes.status();
    assert.ok((half.stretched_commit_interval_ms ?? 0) > 1000, "status says so");
    plant.run(writes, DAY / 2 - 120_000);
    const { written_today_bytes: bytes = 0 } = writes.status();
    assert.ok(bytes <= budget && bytes > budget * 0.9, `${bytes}`);
    assert.ok((half.written_today_bytes ?? 0) < budget * 0.6, `${half.written_today_bytes}`);
    plant.clock.pass(120_000);
    plant.run(writes, 600_000);
    assert.ok(writes.commitIntervalMs < 60_000, "a new day, a new budget");
  });
}

test("a budget that cannot be kept: once a minute, and not less", () => {
  const plant = new Plant(10_000);
  const writes = plant.writes(1_000_000);
  assert.equal(plant.run(writes, DAY / 2), 60_000);
  assert.equal(writes.status().stretched_commit_interval_ms, 60_000);
});

test("when less is written the interval goes back", () => {
  const plant = new Plant(10_000);
  const writes = plant.writes(100_000_000);
  plant.run(writes, DAY / 4);
  assert.ok(writes.commitIntervalMs > 5000);
  for (let i = 0; i < 60; i++) {
    plant.clock.pass(60_000);
    plant.total += 10;
    writes.commitIntervalMs;
  }
  assert.equal(writes.commitIntervalMs, 1000);
  assert.equal(writes.status().stretched_commit_interval_ms, undefined);
});

test("what an earlier process wrote this day is not taken for this one's pace", () => {
  const plant = new Plant(100);
  const writes = plant.writes(100_000_000);
  writes.restore({ day: Math.floor(plant.clock.wall / DAY), bytes: 50_000_000 });
  assert.equal(writes.status().written_today_bytes, 50_000_000);
  assert.equal(plant.run(writes, DAY / 24), 1000);
});

test("where the system does not tell, nothing is claimed and nothing stretched", () => {
  const { clock } = new Plant(0);
  const writes = new DiskWrites({ commitIntervalMs: 1000, dailyBytes: 1, clock, read: () => undefined });
  clock.pass(DAY / 2);
  assert.equal(writes.commitIntervalMs, 1000);
  assert.deepEqual(writes.status(), { daily_writes_bytes: 1 });
});

test("the day's bytes are kept over starts, another day's are not", (t) => {
  const { open, clock, path } = bench(t);
  let total = 500;
  const counter = (): DiskWrites =>
    new DiskWrites({ commitIntervalMs: 1000, dailyBytes: undefined, clock, read: () => total });
  let outbox = open({ writes: counter() });
  total += 9 * MIB;
  give(outbox, batch(T0, [1, 1]));
  clock.pass(60_000);
  outbox.commit();
  outbox.close();
  assert.equal(readBootFile(bootFileOf(path))?.written?.bytes, 9 * MIB);
  total = 7;
  outbox = open({ writes: counter() });
  total = 10;
  assert.equal(outbox.status().written_today_bytes, 9 * MIB + 3);
  clock.pass(DAY);
  assert.equal(open({ writes: counter() }).status().written_today_bytes, 0);
});

test("the real figure grows with what this process writes", (t) => {
  if (!existsSync("/proc/self/io")) {
    t.skip("no /proc/self/io on this system");
    return;
  }
  const { dir } = bench(t);
  const writes = new DiskWrites({ commitIntervalMs: 1000, dailyBytes: undefined, clock: new FakeClock() });
  assert.ok((writes.status().written_today_bytes ?? Number.NaN) < MIB);
  writeFileSync(join(dir, "large"), Buffer.alloc(8 * MIB, 1), { flush: true });
  const written = writes.status().written_today_bytes ?? Number.NaN;
  // A folder in memory (tmpfs) is no disk.
  if (written === 0) t.diagnostic("the temporary folder is on no disk: nothing was counted");
  else assert.ok(written >= 8 * MIB && written < 64 * MIB, `${written}`);
});

test("critical records are committed at once under a stretched interval", async () => {
  const stop = new AbortController();
  let commits = 0;
  const outbox = { urgent: false, full: false, commit: () => commits++ >= 0 };
  const loop = new CommitLoop({ outbox, commitIntervalMs: 60_000, monoMs: () => performance.now() });
  const running = loop.run(stop.signal);
  outbox.urgent = true;
  loop.poke();
  const deadline = performance.now() + 5000;
  while (commits === 0 && performance.now() < deadline) await new Promise((resolve) => setImmediate(resolve));
  stop.abort();
  await running;
  assert.ok(commits >= 1);
});
