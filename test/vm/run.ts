/**
 * `npm run test:vm`: boots a Debian kernel under QEMU and runs test/vm/guest/*.test.ts in it, on real vcan interfaces.
 * Exit code 0: passed, or skipped with the reason; 1: failed, or skipped although BUSBAR_NO_SKIPS=1.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runGuest } from "./guest.ts";
import { buildInitramfs } from "./initramfs.ts";
import { findKernel } from "./kernel.ts";
import { Missing, provideTools } from "./tools.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CACHE = join(ROOT, ".busbar", "vm");

async function main(): Promise<number> {
  const startedMs = performance.now();
  mkdirSync(CACHE, { recursive: true });
  try {
    provideTools();
    const kernel = findKernel(CACHE);
    const initramfs = buildInitramfs(CACHE, kernel);
    console.log(`vm: Linux ${kernel.version}, ready to boot after ${seconds(startedMs)} s`);
    const tests = process.argv.slice(2);
    const code = await runGuest({ kernel, initramfs, root: ROOT, console: join(CACHE, "console.log"), tests });
    console.log(`vm: ${code === 0 ? "passed" : "failed"} after ${seconds(startedMs)} s`);
    return code === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    console.log(`skipped: ${error.message}`);
    return process.env.BUSBAR_NO_SKIPS === "1" ? 1 : 0;
  }
}

function seconds(sinceMs: number): string {
  return ((performance.now() - sinceMs) / 1000).toFixed(0);
}

process.exitCode = await main();
