/** `node examples/derating/main.ts --brokers host:port`: finds chargers that deliver less than they used to. */
import { parseArgs } from "node:util";
import { brokersIn, durationMs, fail, timeMs } from "../common/args.ts";
import { type Reading, startReading } from "../common/kafka.ts";
import { readRecord } from "../common/record.ts";
import { Chargers, type Told } from "./chargers.ts";

const OPTIONS = {
  brokers: { type: "string" },
  prefix: { type: "string", default: "busbar" },
  /** How much history: a time, or a duration before now; absent: all that Kafka has. */
  from: { type: "string" },
  chance: { type: "string", default: "1e-5" },
  "least-plateau": { type: "string", default: "60s" },
  /** Ends when all that is there has been read. */
  once: { type: "boolean", default: false },
  /** A JSON line for every session, not only where an alarm begins, changes or ends. */
  all: { type: "boolean", default: false },
} as const;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: OPTIONS });
  const brokers = brokersIn(values.brokers);
  const alarm = Number(values.chance);
  if (!(alarm > 0 && alarm < 0.1)) throw new Error(`--chance ${values.chance}: allowed: 1e-12 to 0.1`);
  const leastPlateauS = durationMs("--least-plateau", values["least-plateau"]) / 1000;
  const chargers = new Chargers({ alarm, leastPlateauS, told: (told) => tell(told, values.all) });
  const range = values.from === undefined ? {} : { from: timeMs("--from", values.from, Date.now()) };
  const topics = ["sessions", "events", "telemetry"].map((topic) => [`${values.prefix}.${topic}`, range] as const);
  let read = 0;
  const reading: Reading = await startReading({
    brokers,
    topics: new Map(topics),
    take: ({ value }) => {
      const record = readRecord(value);
      if (record === undefined) return;
      read++;
      chargers.take(record);
    },
    failed: (error) => fail("derating", error),
  });
  await reading.caughtUp;
  const judged = chargers.sessions.list().filter(({ end }) => end !== null).length;
  process.stderr.write(`${read} records read, ${judged} finished sessions, ${chargers.late} late rows left out\n`);
  if (values.once) await reading[Symbol.asyncDispose]();
}

/** One JSON line; `says` is for people. */
function tell(told: Told, all: boolean): void {
  if (!all && !told.news) return;
  const { session, plateau, verdict } = told;
  process.stdout.write(`${JSON.stringify({ says: inWords(told), session, plateau, verdict })}\n`);
}

function inWords({ session: { gateway, asset }, plateau, verdict }: Told): string {
  const name = `${gateway}/${asset}`;
  if (plateau === undefined || verdict === undefined) return `${name}: this session held no level, it tells nothing`;
  const offer = plateau.offered > 0 ? ` at ${plateau.offered} A offered` : "";
  const { state, misses, chance, level, reachedBefore, sessionsBefore } = verdict;
  if (state === "learning" || state === "healthy") return `${name}${offer}: ${state}`;
  const run = `${misses} sessions in a row stayed below what ${reachedBefore} of ${sessionsBefore} reached before`;
  const sure = `a healthy charger does that once in ${Math.round(1 / chance)} times`;
  if (state === "suspect") return `${name}${offer}: ${run}; ${sure}, but they stop at no common level: other cars?`;
  return `${name}${offer}: delivers ${Math.round(100 * (1 - level))} % less than it used to: ${run}; ${sure}`;
}

await main().catch((error: unknown) => fail("derating", error));
