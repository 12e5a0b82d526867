import assert from "node:assert/strict";
import { createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { birthIdOf } from "../../core/signals.ts";
import { storeConfig, uplinkConfig } from "../../store-forward/config.ts";
import type { FromStorage, StorageInit, StorageReport, ToStorage } from "../../store-forward/protocol.ts";
import { BIRTH, batch, bench, GATEWAY, packed, parsed, samplesIn, T0 } from "../store-forward/outbox/support.ts";

type Told = FromStorage | StorageReport;

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Hand-offs that were answered. */
function answered(told: readonly Told[]): number {
  return told.reduce((sum, message) => (message.type === "taken" ? sum + message.count : sum), 0);
}

async function start(t: TestContext, path: string) {
  const workerData: StorageInit = {
    gateway: GATEWAY,
    software: "busbar 0.1.0",
    birth: BIRTH,
    birthId: birthIdOf(BIRTH),
    store: storeConfig.parse({ path, commit_interval: "50 ms" }),
    uplink: uplinkConfig.parse({ url: `mqtt://127.0.0.1:${await closedPort()}`, publish_interval: "250 ms" }),
    synced: true,
  };
  const worker = new Worker(new URL("../../store-forward/thread.ts", import.meta.url), { workerData });
  t.after(() => worker.terminate());
  const told: Told[] = [];
  worker.on("message", (message: Told) => told.push(message));
  const failed = new Promise<never>((_, reject) => worker.once("error", reject));
  const until = async (holds: (message: Told) => boolean): Promise<Told> => {
    const deadline = performance.now() + 8000;
    for (;;) {
      const found = told.find(holds);
      if (found !== undefined) return found;
      assert.ok(performance.now() < deadline, "took too long");
      await Promise.race([sleep(3), failed]);
    }
  };
  return { worker, told, until, post: (message: ToStorage) => worker.postMessage(message) };
}

test("the storage thread takes, commits, reports, and stops with everything on disk", async (t) => {
  const { open, path } = bench(t);
  const { worker, told, until, post } = await start(t, path);
  await until(({ type }) => type === "ready");
  const now = Date.now();
  post({ type: "batches", ...packed(batch(T0, [1, 1])), watermark: now, synced: true });
  post({ type: "critical", kind: "event", asset: "meter-1", t0: T0, body: '"event":{"type":"test"}' });
  await until(({ type }) => type === "taken");
  await until((message) => message.type === "store" && message.outbox.durable_until === now);
  const exited = new Promise((resolve) => worker.once("exit", resolve));
  post({ type: "batches", ...packed(batch(T0 + 1, [1, 2])), watermark: now + 1, synced: true });
  post({ type: "batches", bytes: new Uint8Array([7]), samples: 4, watermark: now + 2, synced: true });
  post({ type: "stop", drainMs: 50 });
  await until(({ type }) => type === "stopped");
  await exited;
  const last = told.findLast((message) => message.type === "store");
  assert.equal(last?.outbox.state, "ok");
  assert.equal(last.outbox.drops.corrupt, 4);
  assert.equal(answered(told), 3);
  const outbox = open();
  assert.deepEqual(
    samplesIn(parsed(outbox, "t")).map((text) => text.split(" ")[3]),
    ["1", "2"],
  );
  assert.deepEqual(
    parsed(outbox, "c").map(({ k }) => k),
    ["event", "gap"],
  );
});

test("hand-offs that come in a burst are answered before the next report, each once", async (t) => {
  const { path } = bench(t);
  const { told, until, post } = await start(t, path);
  await until(({ type }) => type === "ready");
  for (let i = 0; i < 40; i++)
    post({ type: "batches", ...packed(batch(T0 + i, [1, i])), watermark: T0 + i, synced: true });
  await until(() => answered(told) === 40);
  post({ type: "stop", drainMs: 50 });
  await until(({ type }) => type === "stopped");
  assert.equal(answered(told), 40);
  assert.ok(told.filter(({ type }) => type === "taken").length <= 6, "not one by one");
});

test("a store that cannot be opened: ready all the same, and status says why", async (t) => {
  const { until, post } = await start(t, "/dev/null/outbox.db");
  await until(({ type }) => type === "ready");
  const report = await until((message) => message.type === "store");
  assert.equal(report.type === "store" && report.outbox.state, "unwritable");
  post({ type: "stop", drainMs: 50 });
  await until(({ type }) => type === "stopped");
});
