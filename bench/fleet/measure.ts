/** One measurement: what the fleet sends until a reader of committed records has all of it, and what that cost whom. */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../../test/support/wait.ts";
import { memoryOf } from "../store/usage.ts";
import { processCpuMs } from "../support/cpu.ts";
import { percentile } from "../support/percentiles.ts";
import type { Running } from "../support/process.ts";
import { counterOf } from "./bridges.ts";
import type { Order } from "./fleet.ts";
import type { Answer, Question } from "./reader.ts";
import type { Framing } from "./records.ts";
import { type Stage, topicOf, type Variant } from "./stage.ts";

export interface Around {
  readonly reader: Running;
  readonly kafkaPid: number | undefined;
}

export interface Measured {
  readonly variant: Variant;
  readonly gateways: number;
  readonly records: number;
  readonly framing: Framing;
  readonly wallMs: number;
  /** Of all its processes. */
  readonly cpuMs: number;
  readonly mosquittoCpuMs: number;
  readonly kafkaCpuMs: number;
  /** Kafka transactions and receipts; 0 for the plain loop. */
  readonly transactions: number;
  readonly receipts: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the largest of its processes: resident now, and the most so far. */
  readonly nowMib: number;
  readonly mostMib: number;
}

/** With `perS` undefined the consumer is cut off from the MQTT server until all of it waits there. */
export type Work = Order;

const ARRIVE_MS = 240_000;
const ASK_MS = 30_000;
const POLL_MS = 100;

export async function measure(stage: Stage, work: Work, around: Around): Promise<Measured> {
  const { variant } = stage;
  // Connects who is not yet, which is not what is measured.
  await stage.publish({ ...work, records: 0 });
  await until(
    `${variant}: births are in Kafka`,
    async () => (await total(stage, "unacknowledged_messages")) === 0,
    ASK_MS,
  );
  const drains = work.perS === undefined;
  if (drains) {
    await stage.cut();
    await stage.publish(work);
  }
  await ask(around.reader, { topic: topicOf(variant), mark: true });
  const [counted, from] = [await counters(stage), usage(stage, around)];
  if (drains) await stage.restore();
  else await stage.publish(work);
  const { latenciesMs } = await arrived(stage, around.reader);
  // The CPU first: to be asked for counters costs some, too.
  const [to, counts] = [usage(stage, around), await counters(stage)];
  latenciesMs.sort();
  const memory = stage.consumers.map(({ child }) => memoryOf(child.pid ?? 0));
  return {
    variant,
    gateways: work.gateways,
    records: work.records,
    framing: work.framing,
    ...difference(from, to),
    ...difference(counted, counts),
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    nowMib: Math.max(...memory.map(({ nowMib }) => nowMib)),
    mostMib: Math.max(...memory.map(({ mostMib }) => mostMib)),
  };
}

/** What a consumer costs that has nothing to do. */
export async function measureIdle(stage: Stage, around: Around, forMs: number): Promise<Measured> {
  const [counted, from] = [await counters(stage), usage(stage, around)];
  await sleep(forMs);
  const [to, counts] = [usage(stage, around), await counters(stage)];
  const { variant } = stage;
  return {
    variant,
    gateways: 0,
    records: 0,
    framing: "mixed",
    ...difference(from, to),
    ...difference(counted, counts),
    p50Ms: 0,
    p99Ms: 0,
    nowMib: 0,
    mostMib: 0,
  };
}

/** All that was ever sent is there, and nothing twice. Throws when it does not come. */
export async function arrived({ variant, sent }: Pick<Stage, "variant" | "sent">, reader: Running): Promise<Answer> {
  const deadline = performance.now() + ARRIVE_MS;
  for (;;) {
    const answer = await ask(reader, { topic: topicOf(variant), mark: false });
    if (answer.unique >= sent) return answer;
    if (performance.now() > deadline) {
      throw new Error(`${variant}: ${answer.unique} of ${sent} records came in ${ARRIVE_MS / 1000} s`);
    }
    await sleep(POLL_MS);
  }
}

async function ask(reader: Running, question: Question): Promise<Answer> {
  reader.child.send(question);
  return await reader.message<Answer>(ASK_MS);
}

type Usage = Pick<Measured, "wallMs" | "cpuMs" | "mosquittoCpuMs" | "kafkaCpuMs">;
type Counters = Pick<Measured, "transactions" | "receipts">;

function usage({ consumers, mosquitto }: Stage, { kafkaPid }: Around): Usage {
  return {
    wallMs: performance.now(),
    cpuMs: sum(consumers.map(({ child }) => processCpuMs(child.pid))),
    mosquittoCpuMs: processCpuMs(mosquitto.child.pid),
    kafkaCpuMs: processCpuMs(kafkaPid),
  };
}

async function counters(stage: Stage): Promise<Counters> {
  return { transactions: await total(stage, "batches_total"), receipts: await total(stage, "receipts_total") };
}

/** Of all its bridges; 0 for the plain loop. */
async function total({ pages }: Pick<Stage, "pages">, name: string): Promise<number> {
  return sum(await Promise.all(pages.map((page) => counterOf(page, name))));
}

function difference<K extends string>(from: Record<K, number>, to: Record<K, number>): Record<K, number> {
  const names = Object.keys(from) as K[];
  return Object.fromEntries(names.map((name) => [name, to[name] - from[name]])) as Record<K, number>;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The process whose command line holds `text`. */
export function pidOf(text: string): number | undefined {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const found = pids.find((pid) => Number(pid) !== process.pid && commandLine(pid).includes(text));
  return found === undefined ? undefined : Number(found);
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}
