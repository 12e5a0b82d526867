/**
 * `npm run test:kafka [-- [--long] [--log FILE] [GLOB…]]`: the tests on a real Kafka. Exit code 0: passed, or skipped with
 * the reason; 1: failed, or skipped although BUSBAR_NO_SKIPS=1. `--long` runs the longer fault proofs, and keeps what
 * they print in FILE too.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { messageOf } from "../../core/errors.ts";
import { provideKafka, whatKafkaMisses } from "../../hw-sim/kafka/parts.ts";
import { provideFromDebian } from "./parts.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const LOG = join(ROOT, ".busbar", "kafka", "long.log");
/** Of one test, and of the whole. */
const LIMITS_MS = { short: { test: 180_000, all: 900_000 }, long: { test: 3_600_000, all: 4 * 3_600_000 } } as const;

async function main(): Promise<number> {
  const options = { long: { type: "boolean", default: false }, log: { type: "string", default: LOG } } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const startedMs = performance.now();
  const missing = provideFromDebian() ?? whatKafkaMisses();
  if (missing !== undefined) {
    console.log(`skipped: ${missing}`);
    return process.env.BUSBAR_NO_SKIPS === "1" ? 1 : 0;
  }
  await provideKafka();
  console.log(`kafka: its parts are there after ${seconds(startedMs)} s`);
  const globs = positionals.length > 0 ? positionals : ["test/kafka/**/*.test.ts"];
  const code = await runTests(globs, values.long ? values.log : undefined);
  console.log(`kafka: ${code === 0 ? "passed" : "failed"} after ${seconds(startedMs)} s`);
  return code === 0 ? 0 : 1;
}

/** One file after the other: each has a Kafka, brokers, bridges and gateways of its own, and two cores. */
async function runTests(globs: readonly string[], log: string | undefined): Promise<number | null> {
  const limitsMs = LIMITS_MS[log === undefined ? "short" : "long"];
  const args = ["--test", "--test-concurrency=1", "--test-reporter=spec", `--test-timeout=${limitsMs.test}`, ...globs];
  const env = { ...process.env, ...(log === undefined ? {} : { BUSBAR_KAFKA_LONG: "1" }) };
  // A group of its own, so that a hung test's processes end with it.
  const child = spawn(process.execPath, args, { cwd: ROOT, env, detached: true, stdio: ["ignore", "pipe", "inherit"] });
  child.stdout.pipe(process.stdout);
  if (log !== undefined) {
    mkdirSync(dirname(log), { recursive: true });
    child.stdout.pipe(createWriteStream(log));
  }
  const end = (signal: NodeJS.Signals): void => void (child.pid !== undefined && process.kill(-child.pid, signal));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => end(signal));
  const timer = setTimeout(() => {
    console.log(`kafka: not done in ${limitsMs.all / 1000} s, ended`);
    end("SIGKILL");
  }, limitsMs.all);
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(timer);
  return code;
}

function seconds(sinceMs: number): string {
  return ((performance.now() - sinceMs) / 1000).toFixed(0);
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`kafka: ${messageOf(error)}`);
  process.exitCode = 1;
}
