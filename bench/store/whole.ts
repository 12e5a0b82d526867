/** The whole gateway as a process, on 100 simulated Modbus TCP units of ten registers, beside the bare loop. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { freePort } from "../../test/support/wait.ts";
import { Running } from "../support/process.ts";
import { Arrivals, type Arrived } from "./arrivals.ts";
import type { Broker } from "./broker.ts";
import { GATEWAY, PUBLISH_INTERVAL_S } from "./load.ts";
import { between, memoryOf, type Usage, usageOf } from "./usage.ts";

export const BUSBAR = "busbar run";
export const BARE_LOOP = "bare loop";

const SCENARIO = path("../../hw-sim/scenarios/hundred-units.yaml");
const SIM = path("../../hw-sim/main.ts");
const MAIN = path("../../daemon/cli/main.ts");
const LOOP = path("./bare-loop.ts");

export interface WholePlan {
  readonly dir: string;
  readonly broker: Broker;
  readonly warmUpS: number;
  readonly seconds: number;
}

/** Usage within the span; `arrived` holds what came before and after it, too. */
export interface Whole extends Usage {
  readonly variant: string;
  readonly arrived: Arrived;
  readonly nowMib: number;
  readonly mostMib: number;
}

interface Site {
  readonly sim: Running;
  readonly sources: readonly { readonly tcp?: { readonly port: number } }[];
}

/** Both at once, each with a site of its own: what disturbs the machine disturbs both. */
export async function measureWhole({ dir, broker, warmUpS, seconds }: WholePlan): Promise<Whole[]> {
  const [siteA, siteB] = await Promise.all([startSite(join(dir, "site-a")), startSite(join(dir, "site-b"))]);
  const arrivals = await Arrivals.of(broker.port);
  const datagrams = await sink();
  const config = await writeConfig(dir, siteA, broker.port, datagrams.address().port);
  const busbar = node(BUSBAR, [MAIN, "run", "--config", config], { BUSBAR_SIM_DIR: dir });
  const ports = [siteB.sources[0]?.tcp?.port ?? 0, broker.port].map(String);
  const bare = node(BARE_LOOP, [LOOP, ...ports, join(dir, "bare.db")]);
  try {
    await sleep(1000 * warmUpS);
    const fromMs = Date.now();
    const from = [busbar, bare].map(used);
    await sleep(1000 * seconds);
    const toMs = Date.now();
    const [busbarUsed, bareUsed] = [busbar, bare].map((running, i) => {
      return { ...between(from[i] as Usage, used(running)), ...memoryOf(pidOf(running)) };
    }) as [Omit<Whole, "variant" | "arrived">, Omit<Whole, "variant" | "arrived">];
    // What is still to be published comes at their end.
    await Promise.all([busbar.stop(), bare.stop()]);
    return [
      { variant: BUSBAR, ...busbarUsed, arrived: arrivals.busbar(fromMs, toMs) },
      { variant: BARE_LOOP, ...bareUsed, arrived: arrivals.bare(fromMs, toMs) },
    ];
  } finally {
    await Promise.all([busbar, bare, siteA.sim, siteB.sim].map((running) => running.stop("SIGKILL")));
    await arrivals.end();
    datagrams.close();
  }
}

function used(running: Running): Usage {
  return usageOf(pidOf(running));
}

/** Throws, with its last output, when the process has ended. */
function pidOf({ name, child, output }: Running): number {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
    throw new Error(`${name} ended during the measurement; its last output:\n${output}`);
  }
  return child.pid;
}

async function startSite(dir: string): Promise<Site> {
  mkdirSync(dir);
  const sim = node("hw-sim", [SIM, "--scenario", SCENARIO, "--dir", dir], { BUSBAR_SIM_DIR: dir });
  if (sim.child.stdout === null) throw new Error("hw-sim has no output");
  for await (const line of createInterface({ input: sim.child.stdout })) {
    const { sources } = (JSON.parse(line) as { ready: Pick<Site, "sources"> }).ready;
    // Nobody reads further lines, and a full pipe would stop it.
    sim.child.stdout.resume();
    return { sim, sources };
  }
  throw new Error(`hw-sim ended before it was ready; its last output:\n${sim.output}`);
}

async function writeConfig(dir: string, { sources }: Site, brokerPort: number, udpPort: number): Promise<string> {
  const [mqttPort, httpPort] = [await freePort(), await freePort()];
  const site = {
    version: 1,
    gateway: { id: GATEWAY },
    uplink: { url: `mqtt://127.0.0.1:${brokerPort}`, publish_interval: `${PUBLISH_INTERVAL_S} s` },
    store: { path: join(dir, "outbox.db"), min_free: "0 B" },
    fast_path: { to: [`127.0.0.1:${udpPort}`] },
    local: { mqtt: { listen: `127.0.0.1:${mqttPort}` }, http: { listen: `127.0.0.1:${httpPort}` } },
    sources,
  };
  const file = join(dir, "busbar.yaml");
  writeFileSync(file, stringify(site));
  return file;
}

/** Somebody must be there for the datagrams, or each is answered by ICMP. */
async function sink(): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}

function node(name: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  return new Running({ name, command: process.execPath, args, env });
}

function path(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
}
