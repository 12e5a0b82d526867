/** One cut: the disk as it is then goes into a file, is mounted (ext4 replays its journal), and is checked. */
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../core/errors.ts";
import { check, type Problem } from "./check.ts";
import type { Patch } from "./cut.ts";
import type { Known } from "./known.ts";
import { STORE } from "./recording.ts";

const LIMIT_MS = 15_000;

/** What does not hold, in words. `workDir` lies in memory: its files need no flush of their own. */
export function inspect(workDir: string, durable: Buffer, survivors: readonly Patch[], known: Known): Problem[] {
  const image = join(workDir, "cut.img");
  const dir = join(workDir, "cut");
  mkdirSync(dir, { recursive: true });
  writeImage(image, durable, survivors);
  try {
    execFileSync("mount", ["-t", "ext4", "-o", "loop", image, dir], { timeout: LIMIT_MS, stdio: "pipe" });
  } catch (error) {
    return [{ promised: "opening", text: `the file system cannot be mounted: ${messageOf(error)}` }];
  }
  try {
    return check(join(dir, STORE), known);
  } catch (error) {
    return [{ promised: "opening", text: `the outbox cannot be read: ${messageOf(error)}` }];
  } finally {
    execFileSync("umount", [dir], { timeout: LIMIT_MS, stdio: "pipe" });
  }
}

export function writeImage(path: string, durable: Buffer, survivors: readonly Patch[]): void {
  const file = openSync(path, "w");
  try {
    writeSync(file, durable, 0, durable.length, 0);
    for (const { offset, data } of survivors) writeSync(file, data, 0, data.length, offset);
  } finally {
    closeSync(file);
  }
}
