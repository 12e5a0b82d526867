/** The whole gateway as a process, as packaged, on 100 simulated Modbus TCP units of ten registers, beside the bare loop. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../test/support/wait.ts";
import type { Running } from "../support/process.ts";
import { Arrivals, type Arrived } from "./arrivals.ts";
import type { Broker } from "./broker.ts";
import type { Program } from "./packaged.ts";
import { node, path, type Site, sink, startGateway, startSite } from "./site.ts";
import { between, memoryOf, type Usage, usageOf } from "./usage.ts";

export const BUSBAR = "busbar run";
export const BARE_LOOP = "bare loop";
export const BARE_IO = "round trips and datagrams alone";

const LOOP = path("./bare-loop.ts");
const IO = path("./bare-io.ts");
const POLL_MS = 1000;

export interface WholePlan {
  readonly dir: string;
  readonly broker: Broker;
  readonly program: Program;
  readonly warmUpS: number;
  readonly seconds: number;
}

/** Usage within the span, and what arrived of it, if anything is sent. */
export interface Whole extends Usage {
  readonly variant: string;
  readonly arrived: Arrived | undefined;
  readonly nowMib: number;
  readonly mostMib: number;
}

/** All at once, each with a site of its own: what disturbs the machine disturbs all. */
export async function measureWhole({ dir, broker, program, warmUpS, seconds }: WholePlan): Promise<Whole[]> {
  const [siteA, siteB, siteC] = await Promise.all([
    startSite(join(dir, "site-a")),
    startSite(join(dir, "site-b")),
    startSite(join(dir, "site-c")),
  ]);
  const arrivals = await Arrivals.of(broker.port);
  const datagrams = await sink();
  const [udpPort, httpPort] = [datagrams.address().port, await freePort()];
  const plan = { dir, site: siteA, program, brokerPort: broker.port, udpPort, httpPort };
  const busbar = await startGateway(BUSBAR, plan);
  const bare = node(BARE_LOOP, [LOOP, String(portOf(siteB)), String(broker.port), join(dir, "bare.db")]);
  const io = node(BARE_IO, [IO, String(portOf(siteC)), String(udpPort)]);
  try {
    await sleep(1000 * warmUpS);
    const fromMs = Date.now();
    const from = [busbar, bare, io].map(used);
    await sleep(1000 * seconds);
    const toMs = Date.now();
    const [busbarUsed, bareUsed, ioUsed] = [busbar, bare, io].map((running, i) => {
      return { ...between(from[i] as Usage, used(running)), ...memoryOf(pidOf(running)) };
    }) as [Used, Used, Used];
    // The short messages that the end makes get a reading from after the span, and do not count.
    await sleep(2 * POLL_MS);
    // What is still to be published comes at their end.
    await Promise.all([busbar.stop(), bare.stop()]);
    return [
      { variant: BUSBAR, ...busbarUsed, arrived: arrivals.busbar(fromMs, toMs) },
      { variant: BARE_LOOP, ...bareUsed, arrived: arrivals.bare(fromMs, toMs) },
      { variant: BARE_IO, ...ioUsed, arrived: undefined },
    ];
  } finally {
    const all = [busbar, bare, io, siteA.sim, siteB.sim, siteC.sim];
    await Promise.all(all.map((running) => running.stop("SIGKILL")));
    await arrivals.end();
    datagrams.close();
  }
}

type Used = Omit<Whole, "variant" | "arrived">;

function portOf({ sources }: Site): number {
  return sources[0]?.tcp?.port ?? 0;
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
