/** What every suite needs to run. */
import { fileURLToPath } from "node:url";
import type { Packages } from "./tools.ts";

/** The checkout, which a guest sees under the same path. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

export interface Suite {
  /** The folder of its tests, below test/vm. */
  readonly folder: string;
  readonly packages: Packages;
  /** Runs the tests, named by globs, and resolves to their exit code. `cache` is a folder of its own. Throws Missing. */
  run(cache: string, tests: readonly string[]): Promise<number>;
}
