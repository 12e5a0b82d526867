/** A data folder that cannot be written, a full volume, and threads that die: told, survived, and nothing vanishes. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import mqtt from "mqtt";
import type { Snapshot } from "../../daemon/status/protocol.ts";
import { listenForDatagrams } from "../support/datagrams.ts";
import { killThread } from "../support/inspected.ts";
import { startTrial, type Trial } from "../support/trial.ts";
import { until } from "../support/wait.ts";

const CLOUD = "the stand-in cloud";
const QUICK = { publish_interval: "1 s" };

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "busbar-trouble-"));
  t.after(() => {
    // Mounted only where a test did it.
    spawnSync("umount", ["-l", dir], { stdio: "ignore" });
    rmSync(dir, { recursive: true, force: true });
  });
  return dir;
}

/** The first status that is as wanted. */
async function status(trial: Trial, what: string, wanted: (snapshot: Snapshot) => boolean): Promise<Snapshot> {
  let seen: Snapshot | undefined;
  const holds = async (): Promise<boolean> => {
    seen = await trial.gateway.snapshot();
    return seen !== undefined && wanted(seen);
  };
  await until(what, holds, 15_000).catch((error: unknown) => {
    assert.fail(`${error}: ${JSON.stringify({ ...seen, assets: undefined })}`);
  });
  return seen as Snapshot;
}

const allUp = ({ sources }: Snapshot): boolean => sources.length === 4 && sources.every(({ state }) => state === "up");

/** Every source goes on to read: each gives more batches than now. */
async function readsOn(trial: Trial): Promise<void> {
  const before = await status(trial, "a status", () => true);
  const more = ({ id, batches }: Snapshot["sources"][number]): boolean => {
    return batches > 2 + (before.sources.find((source) => source.id === id)?.batches ?? 0);
  };
  await status(trial, "all sources read on", ({ sources }) => sources.every(more));
}

/** A tmpfs of 16 MiB at `dir`; false, with the reason printed, where that cannot be. */
function mountSmall(t: TestContext, dir: string): boolean {
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", dir], { encoding: "utf8" });
  if (mounted.status === 0) return true;
  t.skip(`mount -t tmpfs does not work here: ${mounted.stderr ?? mounted.error?.message}`);
  return false;
}

/** Leaves not one block. */
function fill(dir: string): void {
  const { bavail, bsize } = statfsSync(dir);
  try {
    writeFileSync(join(dir, "filler"), Buffer.alloc(bavail * bsize, 1));
  } catch (error) {
    // Somebody else took a block meanwhile: full is full.
    assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
  }
}

describe("storage in trouble", { concurrency: true }, () => {
  test("a data folder below a file: told with path and remedy; once it can be made nothing is missing", async (t) => {
    const blocker = join(folder(t), "blocker");
    writeFileSync(blocker, "");
    const path = join(blocker, "data", "outbox.db");
    using udp = await listenForDatagrams();
    const fastPathTo = [`127.0.0.1:${udp.port}`];
    await using trial = await startTrial(CLOUD, { uplink: QUICK, store: { path }, fastPathTo });
    const bad = await status(trial, "unwritable is told", ({ outbox }) => outbox?.state === "unwritable");
    assert.equal(bad.outbox?.error?.startsWith(`outbox ${path}: `), true, bad.outbox?.error);
    assert.match(bad.outbox?.error ?? "", /; make .* writable for this user, or change store\.path$/);
    assert.equal(bad.health.status, "failed");
    assert.equal(bad.outbox?.durable_until, 0);
    await status(trial, "sources are up", allUp);
    const heardBefore = udp.heard.datagrams;
    await readsOn(trial);
    assert.ok(udp.heard.datagrams > heardBefore + 20, "datagrams go on");
    assert.equal(udp.heard.lost, 0);
    rmSync(blocker);
    await status(trial, "it recovers by itself", ({ outbox }) => outbox?.state === "ok" && outbox.durable_until > 0);
    const verdict = await trial.conclude();
    assert.deepEqual(verdict.violations, []);
    assert.deepEqual(verdict.gaps, []);
    assert.ok(verdict.samples > 100, `${verdict.samples} samples`);
  });

  test("a full volume, and then the thread dies that held the samples in memory: a gap tells the loss", async (t) => {
    const dir = folder(t);
    if (!mountSmall(t, dir)) return;
    fill(dir);
    const path = join(dir, "outbox.db");
    const nodeArgs = ["--inspect=127.0.0.1:0"];
    await using trial = await startTrial(CLOUD, { uplink: QUICK, store: { path }, nodeArgs });
    const bad = await status(trial, "unwritable is told", ({ outbox }) => outbox?.state === "unwritable");
    assert.match(bad.outbox?.error ?? "", new RegExp(`^outbox ${path}: .*; free space on the volume of ${dir}$`));
    await status(trial, "sources are up", allUp);
    await readsOn(trial);
    await killThread(trial.gateway.stderr, "storage");
    await readsOn(trial);
    rmSync(join(dir, "filler"));
    await status(trial, "it recovers by itself", ({ outbox }) => outbox?.state === "ok" && outbox.durable_until > 0);
    await trial.broker.kill();
    fill(dir);
    await readsOn(trial);
    await trial.broker.start();
    await readsOn(trial);
    rmSync(join(dir, "filler"));
    const verdict = await trial.conclude();
    assert.deepEqual(verdict.violations, []);
    assert.ok(verdict.gaps.some(({ c, reason, from }) => c === "t" && reason === "overload" && from === null));
    assert.ok(verdict.samples > 100, `${verdict.samples} samples`);
  });

  test("the storage thread and the status thread die: started again, what was not committed is told", async () => {
    const store = { commit_interval: "2 s" };
    await using trial = await startTrial(CLOUD, { uplink: QUICK, store, nodeArgs: ["--inspect=127.0.0.1:0"] });
    const { gateway } = trial;
    const { outbox } = await status(trial, "samples are durable", (seen) => {
      return allUp(seen) && (seen.outbox?.durable_until ?? 0) > 0;
    });
    const { pid } = gateway;
    await killThread(gateway.stderr, "storage");
    const diedAt = Date.now();
    await readsOn(trial);
    const back = await status(trial, "storage is back", (seen) => (seen.outbox?.durable_until ?? 0) > diedAt);
    assert.ok((back.outbox?.drops.overload ?? 0) > 0, "the loss is counted");
    assert.equal(back.outbox?.epoch, outbox?.epoch);
    assert.match(gateway.stderr, /the storage thread died; it is started again/);

    await killThread(gateway.stderr, "status");
    await status(trial, "the page is back", allUp);
    assert.match(gateway.stderr, /the status thread died; it is started again/);
    const shown = await status(trial, "values are shown again", ({ assets }) => {
      return Object.values(assets).filter(({ values }) => Object.keys(values).length > 0).length >= 5;
    });
    assert.equal(shown.assets["van-7"]?.available, true);
    assert.ok((await retained(gateway.localMqtt, "busbar/bridge/signals")).includes("Power.Active.Import"));

    const verdict = await trial.conclude();
    assert.deepEqual(verdict.violations, []);
    assert.deepEqual(
      verdict.gaps.map(({ c, reason, from, to }) => ({ c, reason, from, to })),
      [{ c: "t", reason: "overload", from: null, to: null }],
    );
    assert.equal(gateway.pid, pid, "one process all the time");
  });
});

async function retained(url: string, topic: string): Promise<string> {
  const client = mqtt.connect(url, { protocolVersion: 4, reconnectPeriod: 100 });
  try {
    let payload = "";
    client.on("message", (_topic, bytes) => {
      payload = bytes.toString();
    });
    client.on("connect", () => client.subscribe(topic));
    await until(`${topic} is retained`, () => payload !== "", 5000);
    return payload;
  } finally {
    client.end(true);
  }
}
