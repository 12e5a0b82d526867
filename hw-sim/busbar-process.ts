/** `busbar VERB …` of this checkout as a process of a demo. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../daemon/cli/main.ts", import.meta.url));
const STOP_MS = 15_000;

/** Its log goes to the file's end, or to our own stderr. */
export function startBusbar(args: readonly string[], logFile: string | undefined): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "inherit", "pipe"] });
  child.stderr.pipe(logFile === undefined ? process.stderr : createWriteStream(logFile, { flags: "a" }), {
    end: false,
  });
  return child;
}

/** SIGTERM, and SIGKILL for one that does not end in order. */
export async function stopBusbar(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const hard = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await ended;
  clearTimeout(hard);
}
