/**
 * What storing and forwarding costs: commit, seal and drain beside raw better-sqlite3, JSON.stringify and a bare mqtt.js
 * loop, and the whole gateway beside a script that does its job naively.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { watchOthers } from "../support/cpu.ts";
import { writeResults } from "../support/results.ts";
import { type Broker, openBroker } from "./broker.ts";
import { measureCommit } from "./commit.ts";
import { measureDrain } from "./drain.ts";
import { measureFar } from "./far.ts";
import { type Goal, type Report, reportGoals } from "./goals.ts";
import { type Program, packaged } from "./packaged.ts";
import { reportCommit, reportDrain, reportSeal, reportWhole } from "./report.ts";
import { reportFar, reportRestart } from "./report-backlog.ts";
import { measureRestart } from "./restart.ts";
import { measureSeal } from "./seal.ts";
import { measureWhole } from "./whole.ts";

const PARTS = ["commit", "seal", "drain", "far", "restart", "whole"] as const;
type Part = (typeof PARTS)[number];

const OPTIONS = {
  only: { type: "string", default: PARTS.join() },
  /** Of three, medians of the same code told 73 and 98 % of a bare drain. */
  rounds: { type: "string", default: "9" },
  slices: { type: "string", default: "50" },
  records: { type: "string", default: "20000" },
  backlog: { type: "string", default: "10000000" },
  seconds: { type: "string", default: "30" },
  /** Until V8 has compiled what runs all the time: a gateway runs for months. */
  warmup: { type: "string", default: "60" },
  dir: { type: "string", default: fileURLToPath(new URL("../../.busbar", import.meta.url)) },
  "no-write": { type: "boolean", default: false },
} as const;

interface Plan {
  readonly dir: string;
  readonly rounds: number;
  readonly slices: number;
  readonly records: number;
  /** Samples of the large backlog. */
  readonly backlog: number;
  readonly seconds: number;
  readonly warmUpS: number;
  /** Built when it is first wanted. */
  readonly program: () => Promise<Program>;
}

const SEAL_WINDOWS = 40;
const OTHERS_MS = 2000;

/** Measures, prints, and writes the section `store` of bench/RESULTS.md when all parts were measured. */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const chosen = PARTS.filter((part) => values.only.split(",").includes(part));
  mkdirSync(values.dir, { recursive: true });
  // Not where temporary files are: that may be memory, and the figures are about a disk.
  const dir = mkdtempSync(join(values.dir, "bench-"));
  let program: Promise<Program> | undefined;
  const plan: Plan = {
    dir,
    rounds: Number(values.rounds),
    slices: Number(values.slices),
    records: Number(values.records),
    backlog: Number(values.backlog),
    seconds: Number(values.seconds),
    warmUpS: Number(values.warmup),
    program: () => {
      program ??= packaged(dir);
      return program;
    },
  };
  const broker = await openBroker(dir);
  try {
    const sections: string[] = [];
    const goals: Goal[] = [];
    const before = await othersCores(broker);
    for (const part of chosen) {
      const { text, goals: told } = await measure(part, plan, broker);
      process.stdout.write(`${text}\n\n`);
      sections.push(text);
      goals.push(...told);
    }
    const after = await othersCores(broker);
    sections.unshift(
      `Other processes kept ${before} cores busy before the run and ${after} after it, of ${availableParallelism()}.`,
    );
    sections.push(reportGoals(goals));
    process.stdout.write(`${sections[0]}\n\n${sections.at(-1)}\n`);
    const complete = chosen.length === PARTS.length;
    if (complete && !values["no-write"]) writeResults("store", sections.join("\n\n"));
  } finally {
    await broker.process.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Cores that others on the machine keep busy while nothing is measured. */
async function othersCores(broker: Broker): Promise<string> {
  const others = watchOthers([broker.process.child.pid]);
  await sleep(OTHERS_MS);
  return others().toFixed(2);
}

async function measure(part: Part, plan: Plan, broker: Broker): Promise<Report> {
  const { dir, rounds, slices, records, backlog, seconds, warmUpS } = plan;
  switch (part) {
    case "commit":
      return reportCommit(measureCommit({ dir, slices }));
    case "seal":
      return reportSeal(measureSeal(rounds, SEAL_WINDOWS));
    case "drain":
      return reportDrain(await measureDrain({ dir, broker, rounds, records }), broker.name);
    case "far":
      return reportFar(await measureFar({ dir, broker, records: Math.ceil(records / 2) }));
    case "restart":
      return reportRestart(await measureRestart({ dir, broker, program: await plan.program(), samples: backlog }));
    case "whole":
      return reportWhole(await measureWhole({ dir, broker, program: await plan.program(), warmUpS, seconds }), seconds);
  }
}
