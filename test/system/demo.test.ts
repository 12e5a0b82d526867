/** `npm start` as a newcomer meets it: the whole site goes live, and Ctrl-C ends all of it quietly. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { until } from "../support/wait.ts";

const DEMO = fileURLToPath(new URL("../../hw-sim/demo.ts", import.meta.url));
const LIVE = /assets (\d+)\/\1 live, uplink up, [1-9]\d* records acknowledged/;
const LIMIT_MS = 60_000;

test("the simulated site is live, and Ctrl-C ends it without a word of trouble", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "busbar-start-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const env = { ...process.env, BUSBAR_SIM_DIR: dir };
  const demo = spawn(process.execPath, [DEMO, "--dir", dir], {
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.after(() => demo.kill("SIGKILL"));
  let said = "";
  for (const stream of [demo.stdout, demo.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
  }
  await until("all is live", () => LIVE.test(said), LIMIT_MS).catch((error: Error) => {
    throw new Error(`${error.message}; ${said}`);
  });
  const ended = once(demo, "exit");
  const saidBefore = said.length;
  // As a terminal does it, which tells the whole group.
  process.kill(-(demo.pid ?? 0), "SIGINT");
  assert.deepEqual(await ended, [0, null], said);
  assert.doesNotMatch(said.slice(saidBefore), /"level":"(warn|error)"/, "nothing went away under the gateway");
  assert.equal(spawnSync("pgrep", ["-f", dir], { encoding: "utf8" }).stdout, "");
});
