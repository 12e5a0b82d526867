/**
 * From the bus to a receiver: the time from the moment in which a frame's bytes are written by the load to the moment
 * in which another process has the UDP datagram. Rounds of all variants are interleaved; each run starts anew.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { freePort } from "../../test/support/wait.ts";
import { watchOthers } from "../support/cpu.ts";
import { type Running, startNode } from "../support/process.ts";
import { writeResults } from "../support/results.ts";
import type { Sent } from "./bus.ts";
import { busSocket, startBroker } from "./gateway.ts";
import { type Measured, report } from "./report.ts";
import { type Run, type Variant, variants } from "./variants.ts";

const START_TIMEOUT_MS = 20_000;
/** The receiver's socket is empty by then. */
const SETTLE_MS = 1500;
const OPTIONS = {
  rounds: { type: "string", default: "3" },
  seconds: { type: "string", default: "5" },
  warmup: { type: "string", default: "3" },
  rates: { type: "string", default: "1000,4000" },
  only: { type: "string", default: "" },
  "no-write": { type: "boolean", default: false },
} as const;

interface Plan {
  readonly rounds: number;
  readonly warmupMs: number;
  readonly measureMs: number;
  readonly rates: readonly number[];
}

/** Measures, prints, and writes the section `latency` of bench/RESULTS.md. */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const plan: Plan = {
    rounds: Number(values.rounds),
    warmupMs: Number(values.warmup) * 1000,
    measureMs: Number(values.seconds) * 1000,
    rates: values.rates.split(",").map(Number),
  };
  const dir = mkdtempSync(join(tmpdir(), "busbar-bench-"));
  const notes: string[] = [];
  try {
    const all = variants(dir, (text) => notes.push(text)).filter(({ name }) => name.includes(values.only));
    const measured = await measureAll(plan, all, dir, notes);
    const text = report(measured, { ...plan, notes });
    process.stdout.write(`${text}\n`);
    if (!values["no-write"]) writeResults("latency", text);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function measureAll(plan: Plan, all: readonly Variant[], dir: string, notes: string[]): Promise<Measured[]> {
  const receiver = startNode("receiver", new URL("./receiver.ts", import.meta.url), []);
  const port = await receiver.message<number>(START_TIMEOUT_MS);
  const broker = await startBroker(dir);
  if (broker === undefined) notes.push("mosquitto is not installed: the gateway's uplink was down");
  const uplinkPort = broker?.port ?? (await freePort());
  const measured: Measured[] = [];
  try {
    for (const rate of plan.rates) {
      for (let round = 0; round < plan.rounds; round++) {
        // Whoever comes first in a round finds another machine than whoever comes last: they take turns.
        for (let i = 0; i < all.length; i++) {
          const variant = all[(i + round) % all.length] as Variant;
          const place = { dir: join(dir, `${rate}-${round}-${i}`), port, uplinkPort, broker: broker?.broker };
          const one = await measure({ variant, rate, round, plan, place, receiver });
          process.stdout.write(`${rate}/s round ${round + 1}: ${variant.name}, ${one.latenciesUs.length} received\n`);
          measured.push(one);
        }
      }
    }
  } finally {
    await receiver.stop("SIGKILL");
    await broker?.broker.stop();
  }
  return measured;
}

interface One {
  readonly variant: Variant;
  readonly rate: number;
  readonly round: number;
  readonly plan: Plan;
  readonly place: Run & { readonly broker: Running | undefined };
  readonly receiver: Running;
}

async function measure({ variant, rate, round, plan, place, receiver }: One): Promise<Measured> {
  mkdirSync(place.dir, { recursive: true });
  const times = [rate, plan.warmupMs, plan.measureMs].map(String);
  const bus = startNode("bus", new URL("./bus.ts", import.meta.url), [busSocket(place.dir), ...times]);
  await bus.message<"listening">(START_TIMEOUT_MS);
  const tested = await variant.start(place);
  try {
    await bus.message<"connected">(START_TIMEOUT_MS).catch((error: Error) => {
      throw new Error(`${variant.name} did not connect to the bus; its last output:\n${tested.output}`, {
        cause: error,
      });
    });
    const others = watchOthers(
      [bus, tested, receiver, ...(place.broker === undefined ? [] : [place.broker])].map(pidOf),
    );
    bus.child.send("go");
    const sent = await bus.message<Sent>(plan.warmupMs + plan.measureMs + START_TIMEOUT_MS);
    const othersCores = others();
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    receiver.child.send({ fromUs: sent.fromUs, toUs: sent.toUs });
    const latenciesUs = await receiver.message<Float64Array>(START_TIMEOUT_MS);
    await tested.stop();
    const slowFsyncs = variant.slowFsyncs?.(place);
    const measured = { variant: variant.name, rate, round, sent, latenciesUs, othersCores };
    return slowFsyncs === undefined ? measured : { ...measured, slowFsyncs };
  } finally {
    await tested.stop("SIGKILL");
    await bus.stop("SIGKILL");
  }
}

function pidOf({ child }: Running): number | undefined {
  return child.pid;
}
