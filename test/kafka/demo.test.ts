/** `npm run demo:kafka` as a newcomer meets it: with all that it needs, and without. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { DemoProcess } from "../support/demo-process.ts";
import { NO_RIG } from "./rig.ts";

const DEMO = fileURLToPath(new URL("../../hw-sim/demo-kafka.ts", import.meta.url));
const LIMIT_MS = 60_000;

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "busbar-demo-"));
  t.after(() => rmSync(dir, { recursive: true }));
  return dir;
}

test("without Java it says what to install", (t) => {
  const options = { env: { PATH: folder(t) }, encoding: "utf8" } as const;
  const { status, stderr } = spawnSync(process.execPath, [DEMO, "--dir", folder(t)], options);
  assert.equal(status, 1);
  assert.match(
    stderr,
    /^demo:kafka cannot start here\. Kafka needs Java 17 or later \(apt-get install default-jre-headless\)/,
  );
});

/** Of whoever names the folder in its command line: all that the demo started does. */
function processesOf(dir: string): string[] {
  const pids = spawnSync("pgrep", ["-f", dir], { encoding: "utf8" }).stdout.split("\n").filter(Boolean);
  return pids.map((pid) => readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " "));
}

test("records arrive, and Ctrl-C ends all of it", { skip: NO_RIG }, async (t) => {
  const dir = folder(t);
  const demo = new DemoProcess(t, DEMO, dir);
  const line = /in Kafka: telemetry [1-9]\d*, .*; holes 0, doubled 0; partitions: a 8, b 8$/m;
  await demo.says("both bridges work and records are in Kafka", line, LIMIT_MS);
  assert.ok(processesOf(dir).length >= 5, "Kafka, Mosquitto, two bridges, the gateway");
  assert.equal(await demo.controlC(), 0, demo.said);
  assert.deepEqual(processesOf(dir), []);
  assert.match(demo.said, /\nstopping …\n$/);
});
