/**
 * `npm run test:vm`: boots Debian under QEMU and runs test/vm/guest/*.test.ts on real vcan interfaces, then
 * test/vm/package/*.test.ts under a real systemd. With names of test files only those, only in their guests.
 * Exit code 0: passed, or skipped with the reason; 1: failed, or skipped although BUSBAR_NO_SKIPS=1.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { CAN_SUITE } from "./can-suite.ts";
import { PACKAGE_SUITE } from "./package-suite.ts";
import { ROOT, type Suite } from "./suite.ts";
import { Missing, provideTools } from "./tools.ts";

const CACHE = join(ROOT, ".busbar", "vm");

async function runSuite({ folder, packages, run }: Suite, tests: readonly string[]): Promise<number> {
  const startedMs = performance.now();
  const told = (what: string): void => {
    console.log(`vm ${folder}: ${what} after ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
  };
  try {
    provideTools(packages);
    const code = await run(CACHE, tests);
    told(code === 0 ? "passed" : "failed");
    return code === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    console.log(`skipped: ${error.message}`);
    return process.env.BUSBAR_NO_SKIPS === "1" ? 1 : 0;
  }
}

async function main(): Promise<number> {
  mkdirSync(CACHE, { recursive: true });
  const named = process.argv.slice(2);
  let code = 0;
  for (const suite of [CAN_SUITE, PACKAGE_SUITE]) {
    const folder = `test/vm/${suite.folder}`;
    const tests = named.length === 0 ? [`${folder}/*.test.ts`] : named.filter((path) => path.includes(folder));
    // The second suite is worth its time also when the first has failed.
    if (tests.length > 0) code = Math.max(code, await runSuite(suite, tests));
  }
  return code;
}

process.exitCode = await main();
