/** `busbar run` started on an outbox with a backlog: how soon it works, and what memory it takes. */
import { once } from "node:events";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectAsync } from "mqtt";
import { uplinkPrefix } from "../../core/topics.ts";
import { freePort } from "../../test/support/wait.ts";
import type { Running } from "../support/process.ts";
import { makeBacklog } from "./backlog.ts";
import type { Broker } from "./broker.ts";
import { ASSETS, GATEWAY, QUANTITIES } from "./load.ts";
import type { Program } from "./packaged.ts";
import { type Site, sink, startGateway, startSite } from "./site.ts";
import { memoryOf } from "./usage.ts";

export const AWAY = "uplink away";
export const DRAINING = "draining";

const FEW = 1_000_000;
const SAMPLE_MS = 100;
const START_MS = 60_000;
const DRAIN_MS = 300_000;
/** Start-up is over, commits and seals are routine. */
const SETTLED_MS = 15_000;
/** A datagram's flag: part of the signal table, which is sent without a poll. */
const TABLE_FLAG = 4;

export interface RestartPlan {
  readonly dir: string;
  readonly broker: Broker;
  readonly program: Program;
  /** Samples of the large backlog. */
  readonly samples: number;
}

export interface Restarted {
  readonly backlog: number;
  readonly uplink: typeof AWAY | typeof DRAINING;
  /** From the start of the process; the record is the first that a subscriber got. */
  readonly firstPollMs: number;
  readonly firstRecordMs: number | undefined;
  /** Median of what was resident after start-up, and the most. */
  readonly rssMib: number;
  readonly mostMib: number;
}

interface Case {
  readonly dir: string;
  readonly site: Site;
  readonly program: Program;
  readonly brokerPort: number;
  readonly backlog: number;
  readonly uplink: Restarted["uplink"];
}

/** Without a backlog, with a small one and a large one; the uplink away, then draining. */
export async function measureRestart({ dir, broker, program, samples }: RestartPlan): Promise<Restarted[]> {
  mkdirSync(join(dir, "restart"));
  const site = await startSite(join(dir, "restart", "site"));
  const measured: Restarted[] = [];
  try {
    for (const backlog of new Set([0, Math.min(FEW, samples), samples])) {
      const store = join(dir, "restart", `store-${backlog}`);
      if (backlog === 0) mkdirSync(store);
      else makeBacklog(store, backlog / (QUANTITIES.length * QUANTITIES.length));
      for (const uplink of [AWAY, DRAINING] as const) {
        const copy = join(dir, "restart", "run");
        cpSync(store, copy, { recursive: true });
        const brokerPort = uplink === AWAY ? await freePort() : broker.port;
        const one = await restart({ dir: copy, site, program, brokerPort, backlog, uplink });
        process.stdout.write(`restart with ${backlog} samples, ${uplink}: ${JSON.stringify(one)}\n`);
        measured.push(one);
        rmSync(copy, { recursive: true });
      }
      rmSync(store, { recursive: true });
    }
  } finally {
    await site.sim.stop("SIGKILL");
  }
  return measured;
}

async function restart({ dir, site, program, brokerPort, backlog, uplink }: Case): Promise<Restarted> {
  const [datagrams, httpPort] = [await sink(), await freePort()];
  const first = uplink === DRAINING ? await firstRecord(brokerPort) : undefined;
  const startMs = performance.now();
  const polled = firstDatagram(datagrams, startMs);
  const gateway = await startGateway("busbar run", {
    dir,
    site,
    program,
    brokerPort,
    udpPort: datagrams.address().port,
    httpPort,
  });
  try {
    const firstPollMs = await orFailed(gateway, polled);
    const firstRecordMs = first === undefined ? undefined : (await orFailed(gateway, first.atMs)) - startMs;
    const settled = backlog === 0 || uplink === AWAY ? undefined : () => drained(httpPort);
    return { backlog, uplink, firstPollMs, firstRecordMs, ...(await watchMemory(gateway, settled)) };
  } finally {
    await gateway.stop();
    datagrams.close();
  }
}

async function firstDatagram(datagrams: Awaited<ReturnType<typeof sink>>, startMs: number): Promise<number> {
  for (;;) {
    const [message] = (await once(datagrams, "message")) as unknown as [Buffer];
    if (((message[4] ?? 0) & TABLE_FLAG) === 0) return performance.now() - startMs;
  }
}

/** Listens when it resolves. */
async function firstRecord(port: number): Promise<{ readonly atMs: Promise<number> }> {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 4, clientId: "bench-first" });
  await client.subscribeAsync(`${uplinkPrefix(GATEWAY)}/data/#`, { qos: 0 });
  const { promise, resolve } = Promise.withResolvers<number>();
  client.once("message", () => {
    resolve(performance.now());
    client.end(true);
  });
  return { atMs: promise };
}

async function orFailed<T>(gateway: Running, wanted: Promise<T>): Promise<T> {
  let known: { readonly value: T } | undefined;
  void wanted.then((value) => {
    known = { value };
  });
  await gateway.until("its first sign of work", () => known !== undefined, START_MS);
  return wanted;
}

/** Samples what is resident from the end of start-up until `over`, or for a while. */
async function watchMemory(gateway: Running, over: (() => Promise<boolean>) | undefined) {
  const rss: number[] = [];
  const endMs = performance.now() + (over === undefined ? SETTLED_MS : DRAIN_MS);
  while (performance.now() < endMs && !(await over?.())) {
    rss.push(memoryOf(gateway.child.pid ?? 0).nowMib);
    await sleep(SAMPLE_MS);
  }
  const settled = rss.slice(rss.length >> 1).sort((a, b) => a - b);
  return { rssMib: settled[settled.length >> 1] ?? 0, mostMib: Math.max(...rss) };
}

async function drained(httpPort: number): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${httpPort}/api/status`);
  const { outbox } = (await answer.json()) as { outbox?: { waiting: number } };
  return outbox !== undefined && outbox.waiting <= 2 * ASSETS;
}
