/** `node examples/replay/main.ts --brokers host:port --asset <gateway>/<asset> --day 2026-11-20`: a day, read again. */
import { parseArgs } from "node:util";
import { brokersIn, durationMs, fail } from "../common/args.ts";
import { type Range, startReading } from "../common/kafka.ts";
import { readRecord } from "../common/record.ts";
import { type Day, DayReader } from "./day.ts";

const OPTIONS = {
  brokers: { type: "string" },
  prefix: { type: "string", default: "busbar" },
  asset: { type: "string" },
  day: { type: "string" },
  /** The day's zone, as in +01:00. */
  zone: { type: "string", default: "Z" },
  /** So much before the day: gateways whose clock is ahead. */
  early: { type: "string", default: "10m" },
  /** So much after it: what waited in the outbox during an outage. */
  late: { type: "string", default: "24h" },
} as const;
const DAY_MS = 86_400_000;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: OPTIONS });
  const [, gateway, asset] = /^([a-z0-9-]+)\/([\w.-]+)$/.exec(values.asset ?? "") ?? [];
  if (gateway === undefined || asset === undefined)
    throw new Error("--asset is missing or wrong; allowed: gateway/asset");
  const fromMs = Date.parse(`${values.day}T00:00:00${values.zone}`);
  if (Number.isNaN(fromMs))
    throw new Error(`--day ${values.day} --zone ${values.zone}: allowed: 2026-11-20 and +01:00`);
  const toMs = fromMs + DAY_MS;
  const from = fromMs - durationMs("--early", values.early);
  const data: Range = { from, to: toMs + durationMs("--late", values.late) };
  // Clock corrections, gap records and revisions of sessions may come later than the data that they are about.
  const about: Range = { from };
  const topics = new Map([[`${values.prefix}.telemetry`, data]]);
  for (const topic of ["events", "gaps", "sessions"]) topics.set(`${values.prefix}.${topic}`, about);
  const reader = new DayReader({ gateway, asset, fromMs, toMs });
  await using reading = await startReading({
    brokers: brokersIn(values.brokers),
    topics,
    gateway,
    take: ({ headers, value }) => {
      // A partition has many gateways: what is of others is not even parsed.
      const record = String(headers.gateway) === gateway ? readRecord(value) : undefined;
      if (record !== undefined) reader.take(record);
    },
    failed: (error) => fail("replay", error),
  });
  await reading.caughtUp;
  print(reader.result(), values.late);
}

/** Samples and sessions as JSON lines; what is missing, and the sum of it all, on stderr. */
function print({ samples, sessions, holes, unnumbered, ended }: Day, late: string): void {
  for (const { t, signal, v, q, synced } of samples) {
    line({ t: new Date(t).toISOString(), signal, v, q, ...(synced ? {} : { synced }) });
  }
  for (const session of sessions) line({ session });
  for (const { epoch, stream, from, to, reason } of holes) {
    say(`gap: records ${from} to ${to} of stream ${stream}, epoch ${epoch}: ${reason ?? "not in Kafka so far"}`);
  }
  for (const { samples: lost, reason } of unnumbered) {
    say(`gap: ${lost ?? "unknown many"} samples of the gateway lost before they had a number: ${reason}`);
  }
  if (!ended) say(`nothing newer than the day came within ${late} after it: the rest may be on its way, try --late 7d`);
  say(`${samples.length} samples, ${sessions.length} sessions, ${holes.length + unnumbered.length} gaps`);
}

function line(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

await main().catch((error: unknown) => fail("replay", error));
