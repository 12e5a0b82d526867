/** Bridges under test: `busbar bridge run` as it is installed, with its defaults, and what they tell of themselves. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { freePort, until } from "../../test/support/wait.ts";
import { Running } from "../support/process.ts";
import { PARTITIONS } from "./kafka.ts";

const MAIN = fileURLToPath(new URL("../../daemon/cli/main.ts", import.meta.url));
const ASK_MS = 5000;

export interface BridgePlace {
  readonly id: string;
  readonly dir: string;
  readonly prefix: string;
  readonly url: string;
  readonly brokers: readonly string[];
}

export interface Bridge {
  readonly process: Running;
  readonly page: string;
}

/** The file that `busbar bridge run` and `busbar bridge audit` take. */
export function writeBridgeConfig({ id, dir, prefix, url, brokers }: BridgePlace, port: number): string {
  const file = join(dir, `bridge-${id}.yaml`);
  const config = {
    version: 1,
    bridge: { id, group: prefix },
    mqtt: { url },
    kafka: { brokers, topic_prefix: prefix, partitions: PARTITIONS },
    http: { listen: `127.0.0.1:${port}` },
  };
  writeFileSync(file, stringify(config));
  return file;
}

export async function startBridge(place: BridgePlace): Promise<Bridge> {
  const port = await freePort();
  const args = [MAIN, "bridge", "run", "--config", writeBridgeConfig(place, port)];
  const process_ = new Running({ name: `bridge ${place.id}`, command: process.execPath, args });
  return { process: process_, page: `http://127.0.0.1:${port}` };
}

/** They are well and work on all partitions between them. */
export async function bridgesReady(bridges: readonly Bridge[], limitMs: number): Promise<void> {
  const shared = async (): Promise<boolean> => {
    const owned = await Promise.all(bridges.map(({ page }) => ownedBy(page)));
    const most = Math.ceil(PARTITIONS / bridges.length);
    return owned.every((count) => count <= most) && owned.reduce((sum, count) => sum + count, 0) === PARTITIONS;
  };
  await until(`bridges share ${PARTITIONS} partitions`, shared, limitMs).catch((error: unknown) => {
    const said = bridges.map(({ process: { name, output } }) => `${name}: ${output}`).join("\n");
    throw new Error(`${(error as Error).message}\n${said}`);
  });
}

/** One of its metrics, over all partitions. */
export async function counterOf(page: string, name: string): Promise<number> {
  const response = await fetch(`${page}/metrics`, { signal: AbortSignal.timeout(ASK_MS) });
  const lines = (await response.text()).split("\n").filter((line) => line.startsWith(`busbar_bridge_${name}{`));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

/** 0 while it is not well. */
async function ownedBy(page: string): Promise<number> {
  try {
    const response = await fetch(`${page}/healthz`, { signal: AbortSignal.timeout(ASK_MS) });
    const { status, owned } = (await response.json()) as { status: string; owned: readonly number[] };
    return status === "ok" ? owned.length : 0;
  } catch {
    return 0;
  }
}
