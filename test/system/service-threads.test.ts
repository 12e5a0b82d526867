/** A status thread that never starts, and an outbox that is slow to open: told, and everything else goes on. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { bootFileOf, writeBootFile } from "../../store-forward/boot.ts";
import { listenForDatagrams } from "../support/datagrams.ts";
import { GatewayProcess } from "../support/gateway-process.ts";
import { SimProcess } from "../support/sim-process.ts";
import { until } from "../support/wait.ts";

/** Nobody listens on the discard port. */
const NOWHERE = { url: "mqtt://127.0.0.1:9" };
const KILL_STATUS = 'import{threadName}from"node:worker_threads";if(threadName==="status")process.exit(3)';

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "busbar-threads-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test("a status thread that can never start: the log reaches stderr all the same, and the depot is read", async (t) => {
  const dir = folder(t);
  using udp = await listenForDatagrams();
  await using sim = await SimProcess.start(dir);
  await using gateway = new GatewayProcess({
    dir,
    sources: sim.sources,
    uplink: NOWHERE,
    fastPathTo: [`127.0.0.1:${udp.port}`],
    nodeArgs: [`--import=data:text/javascript,${encodeURIComponent(KILL_STATUS)}`],
  });
  const started = assert.rejects(gateway.start(6000), /the status page answers/);
  const lines = ["the status thread died; it is started again", '"msg":"running"', '"msg":"uplink lost"'];
  for (const line of lines) await until(line, () => gateway.stderr.includes(line), 20_000);
  const before = udp.heard.datagrams;
  await until("the depot is read", () => udp.heard.datagrams > before + 20, 10_000);
  await started;
  const stopping = gateway.end("SIGTERM");
  assert.equal(await stopping, 0, gateway.stderr.slice(-1000));
  assert.match(gateway.stderr, /"msg":"stopping"/);
});

test("an outbox that is slow to open: datagrams have the boot that storage counts then", async (t) => {
  const dir = folder(t);
  const path = join(dir, "outbox.db");
  const bootFile = bootFileOf(path);
  writeBootFile(bootFile, {
    boot: 41,
    epoch: "abcdefgh",
    wallMs: Date.now() - 60_000,
    oldestMs: 0,
    acked: { c: 0, t: 0, b: 0 },
  });
  // Opening it for writing waits until somebody reads: the storage thread stands still as before a slow disk.
  const made = spawnSync("mkfifo", [`${bootFile}.tmp`]);
  if (made.status !== 0) return t.skip(`mkfifo does not work here: ${made.error?.message ?? made.stderr}`);
  using udp = await listenForDatagrams();
  await using sim = await SimProcess.start(dir);
  const fastPathTo = [`127.0.0.1:${udp.port}`];
  await using gateway = new GatewayProcess({ dir, sources: sim.sources, uplink: NOWHERE, store: { path }, fastPathTo });
  await gateway.start();
  await until("datagrams without storage", () => udp.heard.datagrams > 5, 15_000);
  assert.match(gateway.stderr, /storage is slow to open/);
  assert.equal((await gateway.snapshot())?.outbox, undefined, "it is not open yet");
  assert.deepEqual([...udp.heard.boots], [42]);
  const reader = openSync(`${bootFile}.tmp`, constants.O_RDONLY | constants.O_NONBLOCK);
  rmSync(`${bootFile}.tmp`);
  t.after(() => closeSync(reader));
  await until("storage is ready", async () => (await gateway.snapshot())?.outbox !== undefined, 15_000);
  assert.equal((await gateway.snapshot())?.outbox?.boot, 42);
  assert.equal(await gateway.end("SIGTERM"), 0);
  assert.deepEqual([...udp.heard.boots], [42]);
  assert.equal((JSON.parse(readFileSync(bootFile, "utf8")) as { boot: number }).boot, 42);
});
