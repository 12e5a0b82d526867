/** What a gateway sends over its uplink and writes to its disk, over minutes: the depot, and 100 units on a metered link. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { freePort } from "../../test/support/wait.ts";
import { Arrivals } from "../store/arrivals.ts";
import { openBroker } from "../store/broker.ts";
import { atMost, type Goal, reportGoals } from "../store/goals.ts";
import { path, sink, startGateway, startSite } from "../store/site.ts";
import { between, usageOf } from "../store/usage.ts";
import { writeResults } from "../support/results.ts";
import { markdownTable } from "../support/table.ts";
import { Meter } from "./meter.ts";

interface Case {
  readonly name: string;
  readonly scenario: string;
  readonly uplink: Readonly<Record<string, string>>;
  readonly goals: (bytes: Bytes) => Goal[];
}

interface Bytes {
  readonly seconds: number;
  readonly samples: number;
  /** Of records of samples, as the broker's subscriber sees them. */
  readonly payloadPerSample: number;
  /** All that the gateway sent: topics, MQTT headers, events, state and pings with it. */
  readonly sentPerSample: number;
  readonly deviceGbPerDay: number;
}

const OPTIONS = {
  seconds: { type: "string", default: "900" },
  warmup: { type: "string", default: "90" },
  dir: { type: "string", default: fileURLToPath(new URL("../../.busbar", import.meta.url)) },
  "no-write": { type: "boolean", default: false },
} as const;
const DAY_S = 86_400;
/** A record's last sample is published no later than this after it was read. */
const LATE_MS = 65_000;

const CASES: readonly Case[] = [
  {
    name: "depot",
    scenario: path("../../hw-sim/scenarios/depot.yaml"),
    uplink: {},
    goals: ({ sentPerSample, deviceGbPerDay }) => [
      atMost({ what: "depot: all bytes sent per sample", measured: sentPerSample, limit: 5, show: bytes }),
      atMost({ what: "depot: written to disk per day", measured: deviceGbPerDay, limit: 1, show: gigabytes }),
    ],
  },
  {
    name: "100 units, metered",
    scenario: path("../../hw-sim/scenarios/hundred-units.yaml"),
    uplink: { link: "metered" },
    goals: ({ payloadPerSample }) => [
      atMost({ what: "100 units, metered: payload per sample", measured: payloadPerSample, limit: 3, show: bytes }),
    ],
  },
];

/** Measures all cases at once, prints, and writes the section `bytes` of bench/RESULTS.md. */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  mkdirSync(values.dir, { recursive: true });
  const dir = mkdtempSync(join(values.dir, "bench-"));
  try {
    const spans = { warmUpMs: 1000 * Number(values.warmup), spanMs: 1000 * Number(values.seconds) };
    const measured = await Promise.all(CASES.map((one, i) => measure(one, { dir: join(dir, String(i)), ...spans })));
    const text = report(measured);
    process.stdout.write(`${text}\n`);
    if (!values["no-write"]) writeResults("bytes", text);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

interface Plan {
  readonly dir: string;
  readonly warmUpMs: number;
  readonly spanMs: number;
}

async function measure({ scenario, uplink }: Case, { dir, warmUpMs, spanMs }: Plan): Promise<Bytes> {
  mkdirSync(dir);
  const broker = await openBroker(dir);
  await using meter = await Meter.before(broker.port);
  const arrivals = await Arrivals.of(broker.port);
  const datagrams = await sink();
  const site = await startSite(join(dir, "site"), scenario);
  const [udpPort, httpPort] = [datagrams.address().port, await freePort()];
  const gateway = await startGateway("busbar run", { dir, site, brokerPort: meter.port, udpPort, httpPort, uplink });
  try {
    await sleep(warmUpMs);
    const pid = gateway.child.pid ?? 0;
    const [fromMs, fromBytes, from] = [Date.now(), meter.bytes, usageOf(pid)];
    await sleep(spanMs);
    const [toMs, toBytes, { deviceBytes }] = [Date.now(), meter.bytes, between(from, usageOf(pid))];
    await sleep(LATE_MS);
    const { payloadBytes, samples, inSpan } = arrivals.busbar(fromMs, toMs);
    if (samples === 0) throw new Error(`nothing arrived of ${scenario}; the gateway's last output:\n${gateway.output}`);
    const seconds = (toMs - fromMs) / 1000;
    return {
      seconds,
      samples: inSpan,
      payloadPerSample: payloadBytes / samples,
      sentPerSample: (toBytes - fromBytes) / inSpan,
      deviceGbPerDay: ((deviceBytes / seconds) * DAY_S) / 1e9,
    };
  } finally {
    await gateway.stop();
    await site.sim.stop("SIGKILL");
    await arrivals.end();
    datagrams.close();
    await broker.process.stop();
  }
}

function report(measured: readonly Bytes[]): string {
  const rows = measured.map(({ seconds, samples, payloadPerSample, sentPerSample, deviceGbPerDay }, i) => [
    CASES[i]?.name ?? "",
    seconds.toFixed(0),
    (samples / seconds).toFixed(0),
    payloadPerSample.toFixed(2),
    sentPerSample.toFixed(2),
    ((deviceGbPerDay * 1e9) / DAY_S / (samples / seconds)).toFixed(1),
    deviceGbPerDay.toFixed(2),
  ]);
  const head = ["", "s", "samples/s", "payload B/sample", "all sent B/sample", "device B/sample", "device GB/day"];
  const goals = measured.flatMap((bytes, i) => CASES[i]?.goals(bytes) ?? []);
  const what =
    "`busbar run` with its defaults, commits and checkpoints included. Payload: records of samples as a subscriber of the " +
    "broker sees them. All sent: every byte above TCP from the gateway to the broker, counted between them.";
  return ["### Bytes sent and written", what, markdownTable(head, rows), reportGoals(goals)].join("\n\n");
}

function bytes(value: number): string {
  return `${value.toFixed(2)} B`;
}

function gigabytes(value: number): string {
  return `${value.toFixed(2)} GB`;
}
