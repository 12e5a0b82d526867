/** `npm start` as a newcomer meets it: the whole site goes live, and Ctrl-C ends all of it quietly. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { DemoProcess } from "../support/demo-process.ts";

const DEMO = fileURLToPath(new URL("../../hw-sim/demo.ts", import.meta.url));
const LIVE = /assets (\d+)\/\1 live, uplink up, [1-9]\d* records acknowledged/;
const LIMIT_MS = 60_000;

test("the simulated site is live, and Ctrl-C ends it without a word of trouble", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "busbar-start-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const demo = new DemoProcess(t, DEMO, dir);
  await demo.says("all is live", LIVE, LIMIT_MS);
  const saidBefore = demo.said.length;
  assert.equal(await demo.controlC(), 0, demo.said);
  assert.doesNotMatch(demo.said.slice(saidBefore), /"level":"(warn|error)"/, "nothing went away under the gateway");
  assert.equal(spawnSync("pgrep", ["-f", dir], { encoding: "utf8" }).stdout, "");
});
