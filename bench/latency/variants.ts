/** What is measured, one beside the other: two bare forwarders, the gateway, and the gateway on a slow disk. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compileC } from "../support/compile.ts";
import { Running, startNode } from "../support/process.ts";
import { busSocket, writeConfig } from "./gateway.ts";

export const SLOW_FSYNC_MS = 200;
const MAIN = fileURLToPath(new URL("../../daemon/cli/main.ts", import.meta.url));
const NODE_FORWARDER = new URL("./forward.ts", import.meta.url);

/** One run: a folder of its own with the bus in it, the receiver's port, the broker's. */
export interface Run {
  readonly dir: string;
  readonly port: number;
  readonly uplinkPort: number;
}

export interface Variant {
  readonly name: string;
  start(run: Run): Promise<Running>;
  /** After the run: how often the disk was slow. */
  slowFsyncs?(run: Run): number;
}

export const GATEWAY = "busbar";
export const NODE = "bare Node forwarder";
export const C = "bare C forwarder";

/** Those that this machine can run; `say` is told of the others, and why. */
export function variants(buildDir: string, say: (text: string) => void): Variant[] {
  const bareC = compileC(new URL("./forward.c", import.meta.url), buildDir, "program");
  const shim = compileC(new URL("./slow-fsync.c", import.meta.url), buildDir, "library");
  const found: Variant[] = [];
  if (bareC === undefined) say(`skipped: ${C}, ${GATEWAY} on a slow disk (no C compiler: install cc)`);
  else found.push({ name: C, start: async (run) => forwarder(C, bareC, [], run) });
  found.push({
    name: NODE,
    start: async ({ dir, port }) => startNode(NODE, NODE_FORWARDER, [busSocket(dir), String(port)]),
  });
  found.push({ name: GATEWAY, start: (run) => gateway(run, {}) });
  if (shim !== undefined) found.push(slowDisk(shim));
  return found;
}

function slowDisk(shim: string): Variant {
  const countFile = (run: Run): string => join(run.dir, "fsyncs");
  return {
    name: `${GATEWAY}, fsync +${SLOW_FSYNC_MS} ms`,
    start: (run) => {
      const env = { LD_PRELOAD: shim, SLOW_FSYNC_MS: String(SLOW_FSYNC_MS), SLOW_FSYNC_COUNT: countFile(run) };
      return gateway(run, env);
    },
    slowFsyncs: (run) => Number(readFileSync(countFile(run), "utf8")),
  };
}

function forwarder(name: string, command: string, args: readonly string[], { dir, port }: Run): Running {
  return new Running({ name, command, args: [...args, busSocket(dir), String(port)] });
}

async function gateway({ dir, port, uplinkPort }: Run, more: Readonly<Record<string, string>>): Promise<Running> {
  const config = await writeConfig({ dir, uplinkPort, fastPathPort: port });
  const env = { ...more, BUSBAR_SIM_DIR: dir };
  return new Running({ name: "busbar run", command: process.execPath, args: [MAIN, "run", "--config", config], env });
}
