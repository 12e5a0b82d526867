/**
 * `npm run test:powercut -- --cuts N --seed S`: power cuts under the daemon's own storage thread (README.md).
 * Exit code 0: every cut survived and every control failed, or skipped with the reason; 1 otherwise, and when skipped
 * although BUSBAR_NO_SKIPS=1.
 */
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { whatIsMissing } from "./parts.ts";
import { runRounds } from "./rounds.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FAILURES = join(ROOT, ".busbar", "powercut");
const INSIDE = "BUSBAR_POWERCUT_DIR";
const DEFAULT_CUTS = 300;

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { cuts: { type: "string" }, seed: { type: "string" } } });
  const cuts = Number(values.cuts ?? DEFAULT_CUTS);
  const seed = Number(values.seed ?? randomInt(1_000_000));
  if (!Number.isSafeInteger(cuts) || cuts < 1 || !Number.isSafeInteger(seed)) {
    console.error("usage: npm run test:powercut -- [--cuts N] [--seed S], whole numbers, N from 1");
    return 1;
  }
  const missing = whatIsMissing();
  if (missing !== undefined) {
    console.log(`skipped: ${missing}`);
    return process.env.BUSBAR_NO_SKIPS === "1" ? 1 : 0;
  }
  const workDir = process.env[INSIDE];
  if (workDir === undefined) return await runInside(["--cuts", String(cuts), "--seed", String(seed)]);
  mkdirSync(FAILURES, { recursive: true });
  return await runRounds({ cuts, seed, workDir, failuresDir: FAILURES });
}

/**
 * The same again, with mounts of its own that end with it however it ends, and a folder in memory: what the checks
 * flush shall not reach this machine's disk.
 */
async function runInside(args: readonly string[]): Promise<number> {
  const workDir = mkdtempSync(join(tmpdir(), "busbar-powercut-"));
  const script = 'mount -t tmpfs -o size=1g busbar-powercut "$1" && shift && exec "$@"';
  const command = ["sh", "-c", script, "sh", workDir, process.execPath, ...process.execArgv, import.meta.filename];
  const own = ["--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"];
  const child = spawn("setpriv", [...own, ...command, ...args], {
    stdio: "inherit",
    env: { ...process.env, [INSIDE]: workDir },
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  const [code] = (await once(child, "exit")) as [number | null];
  rmdirSync(workDir);
  return code ?? 1;
}

process.exitCode = await main();
