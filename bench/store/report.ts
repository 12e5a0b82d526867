/** What was measured, as the text that goes into bench/RESULTS.md. */
import { median, percentile } from "../support/percentiles.ts";
import { markdownTable } from "../support/table.ts";
import { type Committed, OUTBOX, RAW } from "./commit.ts";
import { BARE, type Drained, UPLINK, WINDOW } from "./drain.ts";
import { atLeast, atMost, type Goal, percent, type Report, whole } from "./goals.ts";
import { PUBLISH_INTERVAL_S, SAMPLES_PER_SECOND } from "./load.ts";
import { SEAL, SEAL_ZSTD, type Sealed, STRINGIFY, STRINGIFY_ZSTD } from "./seal.ts";
import type { Usage } from "./usage.ts";
import { BARE_IO, BARE_LOOP, BUSBAR, type Whole } from "./whole.ts";

const COMMIT_GOAL = 0.5;
const DRAIN_GOAL = 0.8;
const DRAIN_GOAL_SAMPLES = 1_000_000;
/** Milliseconds for 1,000 samples. */
const CPU_GOAL_MS = 4;
const DEVICE_GOAL_BYTES = 40;
const PAYLOAD_GOAL_BYTES = 4.5;
const RESIDENT_GOAL_MIB = 130;

const NO_QOS_2 = "- QoS 2 was left out: mosquitto is not installed, and the stand-in cloud speaks MQTT 3.1.1 only.";

interface Rated extends Usage {
  readonly samples: number;
}

export function reportCommit(measured: readonly Committed[]): Report {
  const raw = measured.find(({ variant }) => variant === RAW) as Committed;
  const mine = measured.find(({ variant }) => variant === OUTBOX) as Committed;
  const extraMs = 1000 / undisturbedPerS(mine) - 1000 / undisturbedPerS(raw);
  const rows = measured.map((one) => [
    one.variant,
    whole(commitsPerS(one)),
    whole(undisturbedPerS(one)),
    whole(samplesPerS(one)),
    cpuOf([one]),
    (one.deviceBytes / one.samples).toFixed(1),
    percent(commitsPerS(one) / commitsPerS(raw)),
    percent(undisturbedPerS(one) / undisturbedPerS(raw)),
  ]);
  const head = [
    "",
    "commits/s",
    "fastest tenth",
    "samples/s",
    "CPU ms/1,000",
    "device B/sample",
    "÷ raw",
    "÷ raw, fastest tenth",
  ];
  const goal = (what: string, measured: number): Goal => atLeast({ what, measured, limit: COMMIT_GOAL, show: percent });
  const text = [
    "### Commit",
    `One commit with synchronous=FULL per ${whole(SAMPLES_PER_SECOND)} samples, ${whole(raw.commits)} commits of each in ` +
      `interleaved slices of ${raw.commitsPerSlice} on one disk. The fastest tenth of the slices is the one ` +
      "least disturbed: whoever computes suffers more from others on the machine than whoever waits for the disk. The outbox checks, " +
      "compresses and stores, and seals every tenth time; raw better-sqlite3 writes the finished rows, seals, marks and " +
      "boot files of the outbox: with its defaults, and with the outbox's page size, lock and checkpoint.",
    markdownTable(head, rows),
    `- A commit of the outbox takes ${extraMs.toFixed(2)} ms more than a raw one, fastest tenths compared: on a disk where a ` +
      "raw commit takes longer than that the ratio is above 50 %.",
  ];
  const goals = [
    goal("commits/s, of raw better-sqlite3", commitsPerS(mine) / commitsPerS(raw)),
    goal("the same, fastest tenth of the slices", undisturbedPerS(mine) / undisturbedPerS(raw)),
  ];
  return { text: text.join("\n\n"), goals };
}

export function reportSeal(measured: readonly Sealed[]): Report {
  const row = (variant: string, base: string): string[] => {
    const of = (name: string): readonly Sealed[] => measured.filter((one) => one.variant === name);
    const [mine, other] = [of(variant), of(base)];
    const { bytes, samples } = mine[0] as Sealed;
    const ratios = mine.map((one, round) => samplesPerS(one) / samplesPerS(other[round] as Sealed));
    return [
      variant,
      whole(median(mine.map(samplesPerS))),
      cpuOf(mine),
      (bytes / samples).toFixed(2),
      variant === base ? "-" : percent(median(ratios)),
    ];
  };
  const rows = [
    row(STRINGIFY, STRINGIFY),
    row(SEAL, STRINGIFY),
    row(STRINGIFY_ZSTD, STRINGIFY_ZSTD),
    row(SEAL_ZSTD, STRINGIFY_ZSTD),
  ];
  const text = [
    "### Seal",
    `Packed rows of ${PUBLISH_INTERVAL_S} s become one record per asset; the limit is JSON.stringify of the finished ` +
      "objects, without checksum. Medians of the rounds.",
    markdownTable(["", "samples/s", "CPU ms/1,000", "B/sample", "÷ bare"], rows),
  ];
  return { text: text.join("\n\n"), goals: [] };
}

export function reportDrain(measured: readonly Drained[], broker: string): Report {
  const rows: string[][] = [];
  const goals: Goal[] = [];
  for (const qos of new Set(measured.map((one) => one.qos))) {
    const of = (name: string): readonly Drained[] => measured.filter((one) => one.variant === name && one.qos === qos);
    const [bare, mine] = [of(BARE), of(UPLINK)];
    const ratio = median(mine.map((one, round) => recordsPerS(one) / recordsPerS(bare[round] as Drained)));
    const cpu = median(mine.map(({ cpuMs }, round) => (bare[round] as Drained).cpuMs / cpuMs));
    const best = Math.max(...mine.map(recordsPerS)) / Math.max(...bare.map(recordsPerS));
    rows.push(drainRow(bare, ["-", "-", "-"]), drainRow(mine, [ratio, best, cpu].map(percent)));
    const what = `drain, QoS ${qos}`;
    const speed = median(mine.map(samplesPerS));
    goals.push(
      atLeast({ what: `${what}, records/s of a bare mqtt.js loop`, measured: ratio, limit: DRAIN_GOAL, show: percent }),
    );
    goals.push(atLeast({ what: `${what}, samples/s`, measured: speed, limit: DRAIN_GOAL_SAMPLES, show: whole }));
  }
  const { records = 0, samples = 0 } = measured[0] ?? {};
  const head = [
    "",
    "QoS",
    "records/s",
    "samples/s",
    "CPU ms/1,000",
    "payload B/sample",
    "÷ bare",
    "best rounds",
    "÷ bare, CPU",
  ];
  const text = [
    "### Drain",
    `${whole(records)} records of about ${whole(samples / records)} samples to ${broker} on 127.0.0.1, window ${WINDOW}, each drain in a ` +
      "process of its own. The uplink reads the outbox, rebuilds and checks the records, compresses, sends, and commits " +
      "what was acknowledged; the bare loop has the compressed payloads in memory. Medians of the rounds, " +
      "and the best of each. `÷ bare, CPU`: records per second of CPU time, all threads of the process.",
    markdownTable(head, rows),
    ...(measured.some(({ qos }) => qos === 2) ? [] : [NO_QOS_2]),
  ];
  return { text: text.join("\n\n"), goals };
}

function drainRow(rounds: readonly Drained[], ratios: readonly string[]): string[] {
  const { variant, qos, payloadBytes, samples } = rounds[0] as Drained;
  return [
    variant,
    String(qos),
    whole(median(rounds.map(recordsPerS))),
    whole(median(rounds.map(samplesPerS))),
    cpuOf(rounds),
    (payloadBytes / samples).toFixed(2),
    ...ratios,
  ];
}

export function reportWhole(measured: readonly Whole[], seconds: number): Report {
  const rows = measured.map(({ variant, cpuMs, wallMs, deviceBytes, arrived, nowMib, mostMib }) => [
    variant,
    arrived === undefined ? "-" : whole(arrived.inSpan),
    cpuPerThousand({ cpuMs, wallMs, arrived }).toFixed(1),
    percent(cpuMs / wallMs),
    arrived === undefined ? "-" : (deviceBytes / arrived.inSpan).toFixed(1),
    arrived === undefined ? "-" : (arrived.payloadBytes / arrived.samples).toFixed(2),
    nowMib.toFixed(0),
    mostMib.toFixed(0),
  ]);
  const cpu = (name: string): number => measured.find(({ variant }) => variant === name)?.cpuMs ?? Number.NaN;
  const head = [
    "",
    "samples",
    "CPU ms/1,000",
    "of a core",
    "device B/sample",
    "payload B/sample",
    "RSS MiB",
    "peak MiB",
  ];
  const text = [
    "### The whole gateway",
    `\`busbar run\` as packaged (commit every second, publish every ${PUBLISH_INTERVAL_S} s, QoS 1, datagrams, status) beside a script of ` +
      `modbus-serial, better-sqlite3 and mqtt.js, and one that asks and sends datagrams on plain sockets and does nothing else, all at once for ` +
      `${seconds} s, each on 100 simulated Modbus TCP units of ten registers at 1 Hz. Samples are those of these seconds that ` +
      "the broker got; device bytes leave out what a checkpoint moves later.",
    markdownTable(head, rows),
    `- CPU of ${BUSBAR}: ${(cpu(BUSBAR) / cpu(BARE_LOOP)).toFixed(1)} times that of the ${BARE_LOOP}, ` +
      `${(cpu(BUSBAR) / cpu(BARE_IO)).toFixed(1)} times that of ${BARE_IO}: Node and the kernel take those in any gateway.`,
  ];
  return { text: text.join("\n\n"), goals: wholeGoals(measured) };
}

function wholeGoals(measured: readonly Whole[]): Goal[] {
  const mine = measured.find(({ variant }) => variant === BUSBAR);
  if (mine?.arrived === undefined) return [];
  const { deviceBytes, arrived } = mine;
  const what = "whole gateway, 100 Modbus TCP units";
  const cpu = cpuPerThousand(mine);
  const ms = (value: number): string => `${value.toFixed(1)} ms`;
  const bytes = (value: number): string => `${value.toFixed(1)} B`;
  const mib = (value: number): string => `${value.toFixed(0)} MiB`;
  const payload = arrived.payloadBytes / arrived.samples;
  const device = deviceBytes / arrived.inSpan;
  return [
    atMost({ what: `${what}: CPU for 1,000 samples`, measured: cpu, limit: CPU_GOAL_MS, show: ms }),
    atMost({ what: `${what}: device bytes per sample`, measured: device, limit: DEVICE_GOAL_BYTES, show: bytes }),
    atMost({ what: `${what}: payload per sample`, measured: payload, limit: PAYLOAD_GOAL_BYTES, show: bytes }),
    atMost({
      what: `${what}: resident memory, as packaged`,
      measured: mine.nowMib,
      limit: RESIDENT_GOAL_MIB,
      show: mib,
    }),
  ];
}

/** Milliseconds; who sends nothing has asked for 1,000 samples a second. */
function cpuPerThousand({ cpuMs, wallMs, arrived }: Pick<Whole, "cpuMs" | "wallMs" | "arrived">): number {
  return (1000 * cpuMs) / (arrived?.inSpan ?? wallMs);
}

function commitsPerS({ commits, wallMs }: Committed): number {
  return (1000 * commits) / wallMs;
}
function undisturbedPerS({ commitsPerSlice, sliceMs }: Committed): number {
  return (1000 * commitsPerSlice) / percentile(Float64Array.from(sliceMs).sort(), 0.1);
}
function recordsPerS({ records, wallMs }: Drained): number {
  return (1000 * records) / wallMs;
}
function samplesPerS({ samples, wallMs }: Rated): number {
  return (1000 * samples) / wallMs;
}
/** CPU milliseconds for 1,000 samples. */
function cpuOf(rounds: readonly Rated[]): string {
  return median(rounds.map(({ cpuMs, samples }) => (1000 * cpuMs) / samples)).toFixed(2);
}
