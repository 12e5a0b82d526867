/** What the threads hold once both talk MQTT. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startCloudProcess } from "../support/broker.ts";
import { GatewayProcess } from "../support/gateway-process.ts";
import { SimProcess } from "../support/sim-process.ts";
import { until } from "../support/wait.ts";

const WAIT_MS = 15_000;

/** Each thread tells four times a second how many buffers mqtt-packet keeps in it. */
const COUNT = `
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { threadName } from "node:worker_threads";
const { cache } = createRequire(process.env.BUSBAR_TEST_FROM)("mqtt-packet/numbers.js");
setInterval(() => {
  writeFileSync(process.env.BUSBAR_TEST_DIR + "/count-" + threadName, String(Object.keys(cache).length));
}, 250).unref();`;

test("neither the uplink nor the local broker keeps a buffer for each number that a packet may have", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "busbar-threads-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  await using broker = await startCloudProcess();
  await using sim = await SimProcess.start(dir);
  await using gateway = new GatewayProcess({
    dir,
    sources: sim.sources,
    uplink: { url: broker.url, publish_interval: "1 s" },
    nodeArgs: [`--import=data:text/javascript,${encodeURIComponent(COUNT)}`],
    env: { BUSBAR_TEST_DIR: dir, BUSBAR_TEST_FROM: import.meta.filename },
  });
  // With it comes a client of the local broker.
  await gateway.start();
  await until(
    "records are acknowledged",
    async () => {
      const { outbox } = (await gateway.snapshot()) ?? {};
      return (outbox?.streams.t?.acked ?? 0) > 1;
    },
    WAIT_MS,
  );
  const heard = (): boolean => gateway.intervals.some(({ from, until }) => until > from);
  await until("the local broker told something", heard, WAIT_MS);
  const fromMs = Date.now();
  for (const thread of ["storage", "status"]) {
    const told = join(dir, `count-${thread}`);
    await until(`${thread} counted`, () => (statSync(told, { throwIfNoEntry: false })?.mtimeMs ?? 0) > fromMs, WAIT_MS);
    assert.equal(readFileSync(told, "utf8"), "0", thread);
  }
});
