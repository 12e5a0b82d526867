/** A simulated Modbus TCP site of 100 units of ten registers, and a gateway's configuration for it. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { freePort } from "../../test/support/wait.ts";
import { Running } from "../support/process.ts";
import { GATEWAY, PUBLISH_INTERVAL_S } from "./load.ts";
import type { Program } from "./packaged.ts";

const SCENARIO = path("../../hw-sim/scenarios/hundred-units.yaml");
const SIM = path("../../hw-sim/main.ts");
const SOURCES: Program = { args: [path("../../daemon/cli/main.ts")], env: {} };

export interface Site {
  readonly sim: Running;
  readonly sources: readonly { readonly tcp?: { readonly port: number } }[];
}

export interface GatewayPlan {
  /** Takes the configuration, and the outbox with its neighbours. */
  readonly dir: string;
  readonly site: Site;
  readonly brokerPort: number;
  /** Takes the datagrams. */
  readonly udpPort: number;
  readonly httpPort: number;
  /** Default: the sources. */
  readonly program?: Program;
  /** Beside the URL. */
  readonly uplink?: Readonly<Record<string, string>>;
}

export async function startSite(dir: string, scenario: string = SCENARIO): Promise<Site> {
  mkdirSync(dir);
  const sim = node("hw-sim", [SIM, "--scenario", scenario, "--dir", dir], { BUSBAR_SIM_DIR: dir });
  if (sim.child.stdout === null) throw new Error("hw-sim has no output");
  for await (const line of createInterface({ input: sim.child.stdout })) {
    const { sources } = (JSON.parse(line) as { ready: Pick<Site, "sources"> }).ready;
    // Nobody reads further lines, and a full pipe would stop it.
    sim.child.stdout.resume();
    return { sim, sources };
  }
  throw new Error(`hw-sim ended before it was ready; its last output:\n${sim.output}`);
}

/** `busbar run` on that site. */
export async function startGateway(name: string, plan: GatewayPlan): Promise<Running> {
  const { dir, site, brokerPort, udpPort, httpPort, program = SOURCES } = plan;
  const { uplink = { publish_interval: `${PUBLISH_INTERVAL_S} s` } } = plan;
  const config = {
    version: 1,
    gateway: { id: GATEWAY },
    uplink: { url: `mqtt://127.0.0.1:${brokerPort}`, ...uplink },
    store: { path: join(dir, "outbox.db"), min_free: "0 B" },
    fast_path: { to: [`127.0.0.1:${udpPort}`] },
    local: { mqtt: { listen: `127.0.0.1:${await freePort()}` }, http: { listen: `127.0.0.1:${httpPort}` } },
    sources: site.sources,
  };
  const file = join(dir, "busbar.yaml");
  writeFileSync(file, stringify(config));
  return node(name, [...program.args, "run", "--config", file], { ...program.env, BUSBAR_SIM_DIR: dir });
}

/** Somebody must be there for the datagrams, or each is answered by ICMP. */
export async function sink(): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}

export function node(name: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  return new Running({ name, command: process.execPath, args, env });
}

export function path(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
}
