/**
 * The bridge under a fleet of simulated gateways, beside a plain at-least-once loop: flat out, paced, and over the number
 * of gateways; then everything that was sent is counted.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startCluster } from "../../hw-sim/kafka/cluster.ts";
import { whatKafkaMisses } from "../../hw-sim/kafka/parts.ts";
import { watchOthers } from "../support/cpu.ts";
import { startNode } from "../support/process.ts";
import { writeResults } from "../support/results.ts";
import { audited, type Count, complete } from "./completeness.ts";
import { measureHoldings } from "./holdings.ts";
import { kafkaClient, PARTITIONS } from "./kafka.ts";
import { type Around, type Measured, measure, measureIdle, pidOf } from "./measure.ts";
import { whatMosquittoMisses } from "./mosquitto.ts";
import { FRAMINGS, type Framing } from "./records.ts";
import { type FleetResults, report } from "./report.ts";
import { writeScale } from "./scale.ts";
import { ONE, PLAIN, PLAIN_SAME, Stage, topicOf, VARIANTS, type Variant } from "./stage.ts";

const PARTS = ["drain", "paced", "linear"] as const;

const OPTIONS = {
  rounds: { type: "string", default: "5" },
  gateways: { type: "string", default: "500" },
  /** Of one drain: so many that what a connection costs hardly counts. */
  records: { type: "string", default: "60000" },
  /** Of one paced measurement. */
  seconds: { type: "string", default: "8" },
  /** Records per second of the paced part. */
  rates: { type: "string", default: "500,2000" },
  only: { type: "string", default: PARTS.join() },
  variants: { type: "string", default: VARIANTS.join() },
  /** Of drains. */
  framings: { type: "string", default: FRAMINGS.join() },
  "no-write": { type: "boolean", default: false },
} as const;

interface Plan {
  readonly rounds: number;
  readonly gateways: number;
  readonly records: number;
  readonly seconds: number;
  readonly rates: readonly number[];
  readonly only: readonly string[];
  readonly variants: readonly Variant[];
  readonly framings: readonly Framing[];
}

/** Gateways of the linear part: at the same total rate, and at one record per gateway and second. */
const FLEETS = [125, 250, 500, 1000] as const;
const SAME_PER_S = 500;
const IDLE_MS = 10_000;
const START_MS = 120_000;

/** Measures, prints, and writes the section `fleet` of bench/RESULTS.md and the tables of docs/SCALE.md. */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const missing = whatKafkaMisses() ?? whatMosquittoMisses();
  if (missing !== undefined) {
    process.stdout.write(`fleet: skipped: ${missing}\n`);
    return;
  }
  const plan: Plan = {
    rounds: Number(values.rounds),
    gateways: Number(values.gateways),
    records: Number(values.records),
    seconds: Number(values.seconds),
    rates: values.rates.split(",").map(Number),
    only: values.only.split(","),
    variants: VARIANTS.filter((variant) => values.variants.split(",").includes(variant)),
    framings: FRAMINGS.filter((framing) => values.framings.split(",").includes(framing)),
  };
  const dir = mkdtempSync(join(tmpdir(), "busbar-fleet-"));
  try {
    const results = await measureAll(dir, plan);
    // Single parts are for looking at what was just changed: their figures stand in the lines above.
    const { only, variants, framings } = plan;
    if (only.length < PARTS.length || variants.length < VARIANTS.length || framings.length < FRAMINGS.length) return;
    const text = report(results);
    process.stdout.write(`${text}\n`);
    if (values["no-write"]) return;
    writeResults("fleet", text);
    writeScale(results);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function measureAll(dir: string, plan: Plan): Promise<FleetResults> {
  await using kafka = await startCluster({ nodes: 1, dir });
  const { brokers } = kafka;
  await createTopics(brokers);
  await using opened = new AsyncDisposableStack();
  const stages: Stage[] = [];
  for (const variant of plan.variants) {
    stages.push(opened.adopt(await Stage.open({ variant, dir, brokers }), (stage) => stage.close()));
    told(`${variant}: ready`);
  }
  const reader = startNode("reader", new URL("reader.ts", import.meta.url), [
    ...["--brokers", brokers.join(",")],
    ...["--topics", plan.variants.map(topicOf).join(",")],
  ]);
  opened.defer(async () => void (await reader.stop()));
  await reader.message(START_MS);
  const around = { reader, kafkaPid: pidOf(join(dir, "node-1.properties")) };
  const others = watchOthers([around.kafkaPid, ...stages.flatMap(pidsOf), reader.child.pid]);
  // What is measured is not the start: not of Node's compiler, not of young topics.
  for (const stage of stages) {
    told(
      show(
        await measure(
          stage,
          { gateways: plan.gateways, records: plan.records, framing: "mixed", perS: undefined },
          around,
        ),
      ),
    );
  }
  const measured = await measureParts(stages, plan, around);
  const othersCores = others();
  const counts = await Promise.all(stages.map((stage) => complete(stage, reader)));
  const audits = [];
  for (const stage of stages.filter(({ pages }) => pages.length > 0))
    audits.push(await audited(stage, { dir, brokers }));
  const sent = stages.reduce((sum, stage) => sum + stage.sent, 0);
  const telemetryBytes = loggedBytes(dir, counts.find(({ variant }) => variant === ONE) ?? { variant: ONE, unique: 0 });
  const payloadBytes = stages.reduce((sum, stage) => sum + stage.payloadBytes, 0) / sent;
  return { ...measured, counts, audits, gateway: measureHoldings(), payloadBytes, telemetryBytes, othersCores };
}

type Parts = Pick<FleetResults, "drains" | "paced" | "same" | "proportional" | "idle">;

async function measureParts(stages: readonly Stage[], plan: Plan, around: Around): Promise<Parts> {
  const { rounds, gateways, records, seconds } = plan;
  const framing = "mixed";
  const parts = { drains: [], paced: [], same: [], proportional: [], idle: [] } as Record<keyof Parts, Measured[]>;
  const one = stages.find(({ variant }) => variant === ONE);
  for (let round = 0; round < rounds && plan.only.includes("drain"); round++) {
    for (const framing of plan.framings) {
      for (const stage of rotated(stages, round)) {
        await kept(parts.drains, measure(stage, { gateways, records, framing, perS: undefined }, around));
      }
    }
  }
  for (const perS of plan.only.includes("paced") ? plan.rates : []) {
    for (const stage of stages) {
      await kept(parts.paced, measure(stage, { gateways, records: perS * seconds, framing, perS }, around));
    }
  }
  if (one === undefined || !plan.only.includes("linear")) return parts;
  await kept(parts.idle, measureIdle(one, around, IDLE_MS));
  for (const fleet of FLEETS) {
    await kept(
      parts.same,
      measure(one, { gateways: fleet, records: SAME_PER_S * seconds, framing, perS: SAME_PER_S }, around),
    );
    await kept(
      parts.proportional,
      measure(one, { gateways: fleet, records: fleet * seconds, framing, perS: fleet }, around),
    );
  }
  return parts;
}

async function kept(list: Measured[], measuring: Promise<Measured>): Promise<void> {
  const measured = await measuring;
  told(show(measured));
  list.push(measured);
}

/** As the bridge makes its own. */
async function createTopics(brokers: readonly string[]): Promise<void> {
  const admin = (await kafkaClient(brokers, "bench")).admin();
  await admin.connect();
  const configEntries = [{ name: "message.timestamp.type", value: "LogAppendTime" }];
  const topics = ([PLAIN, PLAIN_SAME] satisfies Variant[]).map((variant) => {
    return { topic: topicOf(variant), numPartitions: PARTITIONS, configEntries };
  });
  await admin.createTopics({ topics, waitForLeaders: true });
  await admin.disconnect();
}

/** Bytes of a record in the log of a variant's telemetry, as it lies on the disk. */
function loggedBytes(dir: string, { variant, unique }: Pick<Count, "variant" | "unique">): number {
  const node = join(dir, "node-1");
  const partitions = readdirSync(node).filter((name) => name.startsWith(`${topicOf(variant)}-`));
  const files = partitions.flatMap((name) => readdirSync(join(node, name)).map((file) => join(node, name, file)));
  const logs = files.filter((file) => file.endsWith(".log"));
  return logs.reduce((sum, file) => sum + statSync(file).size, 0) / unique;
}

/** Each round another comes first. */
function rotated<T>(list: readonly T[], by: number): T[] {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

function pidsOf({ consumers, fleet, mosquitto }: Stage): (number | undefined)[] {
  return [...consumers, fleet, mosquitto].map(({ child }) => child.pid);
}

function show({ variant, gateways, records, cpuMs, wallMs, transactions, p50Ms, p99Ms }: Measured): string {
  const perCpuS = ((1000 * records) / cpuMs).toFixed(0);
  const work = `${records} records of ${gateways} gateways in ${(wallMs / 1000).toFixed(1)} s`;
  return `${variant}: ${work}, ${cpuMs} ms CPU (${perCpuS}/CPU-s), ${transactions} transactions, p50 ${p50Ms} p99 ${p99Ms} ms`;
}

function told(line: string): void {
  process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
}
