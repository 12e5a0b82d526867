/** What was measured, as the text that goes into bench/RESULTS.md. */
import { atLeast, atMost, type Goal, percent, reportGoals, whole } from "../store/goals.ts";
import { median } from "../support/percentiles.ts";
import { markdownTable } from "../support/table.ts";
import type { Audit, Count } from "./completeness.ts";
import { fitCosts } from "./costs.ts";
import type { GatewayCost } from "./holdings.ts";
import { PARTITIONS } from "./kafka.ts";
import type { Measured } from "./measure.ts";
import type { Framing } from "./records.ts";
import { ONE, PLAIN, PLAIN_SAME, TWO, VARIANTS, type Variant } from "./stage.ts";

export interface FleetResults {
  readonly drains: readonly Measured[];
  readonly paced: readonly Measured[];
  /** Fleets of different size, at the same total rate and at the same rate of each gateway. */
  readonly same: readonly Measured[];
  readonly proportional: readonly Measured[];
  readonly idle: readonly Measured[];
  readonly counts: readonly Count[];
  readonly audits: readonly Audit[];
  readonly gateway: GatewayCost;
  /** Mean payload as it was published. */
  readonly payloadBytes: number;
  /** Of one record in the log of `busbar.telemetry`, as one bridge wrote it. */
  readonly telemetryBytes: number;
  readonly othersCores: number;
}

const FRAMINGS = ["mixed", "plain"] as const;
const GOAL = 0.8;
/** With eight times as many gateways a record, and a gateway, may cost so many times as much. */
const LINEAR_GOAL = 1.25;

export function report(results: FleetResults): string {
  const { othersCores, payloadBytes } = results;
  const intro =
    `Payloads of ${whole(payloadBytes)} bytes in the mean, ${PARTITIONS} partitions, one Kafka, Mosquitto. Other processes ` +
    `kept ${othersCores.toFixed(2)} cores busy meanwhile: compare CPU and the ratios within a table, not times.`;
  const sections = [
    intro,
    drainText(results.drains),
    pacedText(results.paced),
    linearText(results),
    costText(results),
    countText(results),
    reportGoals(goalsOf(results)),
  ];
  return sections.join("\n\n");
}

/** Records per CPU-second of the consumer, in each round. */
function rates(drains: readonly Measured[], variant: Variant): number[] {
  return drains.filter((one) => one.variant === variant).map(({ records, cpuMs }) => (1000 * records) / cpuMs);
}

/** Compared within each round; the median of the rounds. */
function ratio(drains: readonly Measured[], variant: Variant, base: Variant): number {
  const [mine, other] = [rates(drains, variant), rates(drains, base)];
  return median(mine.map((rate, round) => rate / (other[round] ?? Number.NaN)));
}

function drainText(drains: readonly Measured[]): string {
  const { records = 0, gateways = 0 } = drains[0] ?? {};
  const text =
    `${whole(records)} records of ${gateways} gateways wait at the MQTT server when the link to it comes back. CPU of the ` +
    `consumer's processes alone, user and system, all threads; medians of ${rates(drains, PLAIN).length / FRAMINGS.length} ` +
    "interleaved rounds. The plain loop hands payloads on as they are; with same output it unpacks them and writes headers " +
    "and zstd as the bridge does. The bridge also checks CRC, JSON and identity.";
  return [
    "### Flat out",
    text,
    "Three of four gateways send zstd:",
    drainTable(drains.filter(({ framing }) => framing === "mixed")),
    "All send plain JSON:",
    drainTable(drains.filter(({ framing }) => framing === "plain")),
  ].join("\n\n");
}

function drainTable(drains: readonly Measured[]): string {
  const rows = VARIANTS.map((variant) => {
    const rounds = drains.filter((one) => one.variant === variant);
    return [
      variant,
      whole(median(rates(drains, variant))),
      whole(Math.max(...rates(drains, variant))),
      percent(ratio(drains, variant, PLAIN)),
      percent(ratio(drains, variant, PLAIN_SAME)),
      whole(median(rounds.map(({ records, wallMs }) => (1000 * records) / wallMs))),
      whole(median(rounds.map(({ records, transactions }) => records / transactions))),
      whole(Math.max(...rounds.map(({ mostMib }) => mostMib))),
    ].map((cell) => (cell === "∞" ? "-" : cell));
  });
  const head = ["", "records/CPU-s", "best", "÷ plain", "÷ same output", "records/s", "per transaction", "peak MiB"];
  return markdownTable(head, rows);
}

function pacedText(paced: readonly Measured[]): string {
  const rows = paced.map((one) => [
    one.variant,
    whole((1000 * one.records) / one.wallMs),
    whole((1000 * one.records) / one.cpuMs),
    percent(one.cpuMs / one.wallMs),
    whole(one.p50Ms),
    whole(one.p99Ms),
    one.transactions === 0 ? "-" : (one.records / one.transactions).toFixed(1),
    whole(one.nowMib),
  ]);
  const head = ["", "records/s", "records/CPU-s", "of a core", "p50 ms", "p99 ms", "per transaction", "RSS MiB"];
  const text =
    `${paced[0]?.gateways ?? 0} gateways at a steady rate, one record after the other. Times from the record's stamp before its ` +
    "publish to a reader of committed records; memory of the larger instance.";
  return ["### Paced", text, markdownTable(head, rows)].join("\n\n");
}

function linearText({ same, proportional }: FleetResults): string {
  const row = (what: string) => (one: Measured) => [
    what,
    whole(one.gateways),
    whole((1000 * one.records) / one.wallMs),
    (one.cpuMs / one.records).toFixed(3),
    ((1000 * one.cpuMs) / one.wallMs / one.gateways).toFixed(2),
    (one.records / one.transactions).toFixed(1),
    whole(one.p50Ms),
    whole(one.p99Ms),
  ];
  const rows = [...same.map(row("same total")), ...proportional.map(row("1 record/s each"))];
  const head = [
    "",
    "gateways",
    "records/s",
    "CPU ms/record",
    "CPU ms/s/gateway",
    "per transaction",
    "p50 ms",
    "p99 ms",
  ];
  const text = "One instance. A record's cost falls with the rate, because more of them share a transaction.";
  return ["### Over the number of gateways", text, markdownTable(head, rows)].join("\n\n");
}

function costText({ drains, paced, same, proportional, idle, gateway }: FleetResults): string {
  const mine = [...drains, ...paced, ...same, ...proportional].filter(({ variant }) => variant === ONE);
  const { idle: idleMs, record, transaction, error } = fitCosts(mine, idle[0]);
  const rows = [
    ["a record", `${(1000 * record).toFixed(1)} µs`],
    ["a transaction", `${transaction.toFixed(2)} ms`],
    [`a second of an idle instance with ${PARTITIONS} partitions`, `${idleMs.toFixed(1)} ms`],
    ["progress of a gateway as it is opened", `${gateway.readMs.toFixed(2)} µs`],
  ];
  const text =
    `Fitted to the ${mine.length} measurements of one instance above (median deviation ${percent(error)}); the last one is ` +
    "measured without Kafka.";
  return ["### What the bridge's CPU is spent on", text, markdownTable(["", "CPU"], rows)].join("\n\n");
}

function countText({ counts, audits }: FleetResults): string {
  const rows = counts.map(({ variant, sent, unique, doubled }) => {
    const audit = audits.find((one) => one.variant === variant);
    const said = audit === undefined ? "-" : `${audit.missing} / ${audit.doubled}`;
    return [variant, whole(sent), whole(unique), whole(sent - unique), whole(doubled), said];
  });
  const head = ["", "sent", "identities in Kafka", "missing", "doubled", "audit: missing / doubled"];
  return ["### Completeness, after all of it", markdownTable(head, rows)].join("\n\n");
}

function goalsOf(results: FleetResults): Goal[] {
  const { drains, same, proportional, counts } = results;
  const goal = (variant: Variant, framing: Framing): Goal => {
    const what = `${variant}: records per CPU-second, of the plain loop, ${framing === "mixed" ? "mostly zstd" : "plain JSON"}`;
    const measured = ratio(
      drains.filter((one) => one.framing === framing),
      variant,
      PLAIN,
    );
    return atLeast({ what, measured, limit: GOAL, show: percent });
  };
  const [few, many] = [proportional[0], proportional.at(-1)];
  const perGateway = (one: Measured | undefined): number =>
    one === undefined ? Number.NaN : one.cpuMs / one.wallMs / one.gateways;
  const perOne = (one: Measured | undefined): number => (one === undefined ? Number.NaN : one.cpuMs / one.records);
  const wrong = counts.reduce((sum, { sent, unique, doubled }) => sum + sent - unique + doubled, 0);
  const times = (value: number): string => `${value.toFixed(2)} times`;
  return [
    ...FRAMINGS.flatMap((framing) => [goal(ONE, framing), goal(TWO, framing)]),
    atMost({
      what: `CPU per record, ${same.at(-1)?.gateways} beside ${same[0]?.gateways} gateways, same total rate`,
      measured: perOne(same.at(-1)) / perOne(same[0]),
      limit: LINEAR_GOAL,
      show: times,
    }),
    atMost({
      what: `CPU per gateway, ${many?.gateways} beside ${few?.gateways} gateways, 1 record/s each`,
      measured: perGateway(many) / perGateway(few),
      limit: LINEAR_GOAL,
      show: times,
    }),
    atMost({ what: "records missing or doubled", measured: wrong, limit: 0, show: whole }),
  ];
}
