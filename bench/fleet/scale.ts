/** docs/SCALE.md: its tables are computed here from what was measured; the text around them is written by hand. */
import { readFileSync, writeFileSync } from "node:fs";
import { whole } from "../store/goals.ts";
import { describeCommit, describeMachine } from "../support/machine.ts";
import { percentile } from "../support/percentiles.ts";
import { replaceSection } from "../support/results.ts";
import { markdownTable } from "../support/table.ts";
import { type Costs, fitCosts, perRecord } from "./costs.ts";
import type { FleetResults } from "./report.ts";
import { ONE } from "./stage.ts";

const SCALE = new URL("../../docs/SCALE.md", import.meta.url);

/** The bridge's defaults. */
const AGE_S = 0.1;
const MOST_RECORDS = 1000;
const MOST_BYTES = 512 * 1024;
const RECEIPT_S = 30;
const RETENTION_DAYS = 7;
/** What is left to catch up with after an outage. */
const BUSY = 0.5;
const STATE_AND_RECEIPT_BYTES = 150;

export interface Inputs {
  readonly costs: Costs;
  readonly mosquittoMs: number;
  readonly kafkaMs: number;
  readonly payloadBytes: number;
  readonly telemetryBytes: number;
  readonly progressBytes: number;
  readonly birthBytes: number;
  readonly memoryBytes: number;
  readonly readMs: number;
  readonly baseMib: number;
}

interface Fleet {
  readonly gateways: number;
  /** Records of one gateway in a second. */
  readonly perS: number;
  readonly partitions: number;
}

const FLEETS: readonly Fleet[] = [
  { gateways: 10_000, perS: 0.2, partitions: 16 },
  { gateways: 10_000, perS: 1, partitions: 16 },
  { gateways: 100_000, perS: 0.2, partitions: 64 },
  { gateways: 100_000, perS: 1, partitions: 64 },
  { gateways: 500_000, perS: 0.2, partitions: 64 },
  { gateways: 500_000, perS: 1, partitions: 64 },
];

export function writeScale(results: FleetResults): void {
  const inputs = inputsOf(results);
  const measured = `Computed ${new Date().toISOString().slice(0, 10)} from a run at commit ${describeCommit()} on ${describeMachine()}.`;
  const body = [measured, inputsTable(inputs), fleetTable(inputs)].join("\n\n");
  writeFileSync(SCALE, replaceSection(readFileSync(SCALE, "utf8"), "scale", body));
}

function inputsOf({ drains, paced, same, proportional, idle, gateway, ...rest }: FleetResults): Inputs {
  const mine = [...drains, ...paced, ...same, ...proportional].filter(({ variant }) => variant === ONE);
  const resident = Float64Array.from(mine.map(({ nowMib }) => nowMib)).sort();
  return {
    costs: fitCosts(mine, idle[0]),
    mosquittoMs: perRecord(paced, ({ mosquittoCpuMs }) => mosquittoCpuMs),
    kafkaMs: perRecord(
      drains.filter(({ variant }) => variant === ONE),
      ({ kafkaCpuMs }) => kafkaCpuMs,
    ),
    payloadBytes: rest.payloadBytes,
    telemetryBytes: rest.telemetryBytes,
    baseMib: percentile(resident, 0.5),
    ...gateway,
  };
}

function inputsTable(inputs: Inputs): string {
  const { costs } = inputs;
  const rows = [
    ["`record`", "CPU of the bridge for a record", `${(1000 * costs.record).toFixed(1)} µs`, "fitted"],
    ["`tx`", "CPU of the bridge for a transaction", `${costs.transaction.toFixed(2)} ms`, "fitted"],
    ["`idle`", "CPU of an instance with nothing to do", `${costs.idle.toFixed(1)} ms/s`, "measured"],
    [
      "`mosquitto`",
      "CPU of Mosquitto for a record, in and out, paced",
      `${(1000 * inputs.mosquittoMs).toFixed(0)} µs`,
      "measured",
    ],
    [
      "`kafka`",
      "CPU of one Kafka for a record, flat out, one reader",
      `${(1000 * inputs.kafkaMs).toFixed(0)} µs`,
      "measured",
    ],
    ["`payload`", "A record as it is published", `${whole(inputs.payloadBytes)} B`, "measured"],
    ["`stored`", "A record in Kafka's telemetry log", `${whole(inputs.telemetryBytes)} B`, "measured"],
    ["`progress`", "Key and value of a gateway's progress", `${whole(inputs.progressBytes)} B`, "measured"],
    ["`read`", "CPU of taking in one gateway's progress", `${inputs.readMs.toFixed(2)} µs`, "measured"],
    ["`memory`", "Of a gateway in a bridge, without its birth", `${whole(inputs.memoryBytes)} B`, "measured"],
    ["`birth`", "A birth: ten assets with sixteen signals", `${whole(inputs.birthBytes)} B`, "measured"],
    ["`base`", "Resident memory of an instance that has drained backlogs", `${whole(inputs.baseMib)} MiB`, "measured"],
  ];
  return ["### What was measured", markdownTable(["", "what", "value", ""], rows)].join("\n\n");
}

/** Transactions per second: a batch ends with its age, or when it is full. */
function transactionsPerS({ gateways, perS, partitions }: Fleet, payloadBytes: number): number {
  const rate = (gateways * perS) / partitions;
  const full = Math.min(MOST_RECORDS, MOST_BYTES / payloadBytes);
  return partitions * Math.max(rate / (1 + rate * AGE_S), rate / full);
}

function fleetTable(inputs: Inputs): string {
  const { birthBytes, memoryBytes, progressBytes } = inputs;
  const rowsOf: readonly (readonly [string, (fleet: Fleet) => string])[] = [
    ["records per second", (fleet) => whole(recordsPerS(fleet))],
    ["partitions", ({ partitions }) => String(partitions)],
    ["transactions per second", (fleet) => whole(transactionsPerS(fleet, inputs.payloadBytes))],
    [
      "records per transaction",
      (fleet) => (recordsPerS(fleet) / transactionsPerS(fleet, inputs.payloadBytes)).toFixed(1),
    ],
    ["bridge, cores", (fleet) => bridgeCores(fleet, inputs).toFixed(1)],
    [`bridge, instances at ${100 * BUSY} % of a core`, (fleet) => whole(Math.ceil(bridgeCores(fleet, inputs) / BUSY))],
    ["bridge, memory of all gateways", ({ gateways }) => bytes(gateways * (memoryBytes + birthBytes))],
    ["MQTT sessions", ({ gateways, partitions }) => whole(gateways + partitions)],
    [
      "MQTT broker, cores at Mosquitto's cost",
      (fleet) => ((recordsPerS(fleet) * inputs.mosquittoMs) / 1000).toFixed(1),
    ],
    ["MQTT broker, retained", ({ gateways }) => bytes(gateways * (birthBytes + STATE_AND_RECEIPT_BYTES))],
    ["receipts per second", ({ gateways, perS }) => whole(gateways * Math.min(perS, 1 / RECEIPT_S))],
    ["Kafka, cores without copies", (fleet) => ((recordsPerS(fleet) * inputs.kafkaMs) / 1000).toFixed(1)],
    ["Kafka, telemetry per second, one copy", (fleet) => bytes(recordsPerS(fleet) * inputs.telemetryBytes)],
    [
      `Kafka, telemetry of ${RETENTION_DAYS} d, one copy`,
      (fleet) => bytes(recordsPerS(fleet) * inputs.telemetryBytes * RETENTION_DAYS * 86_400),
    ],
    ["progress, compacted", ({ gateways }) => bytes(gateways * progressBytes)],
    ["gateways per partition", ({ gateways, partitions }) => whole(gateways / partitions)],
    [
      "births and progress read at an opening",
      (fleet) => bytes((fleet.gateways / fleet.partitions) * (progressBytes + birthBytes)),
    ],
    [
      "progress taken in at an opening",
      ({ gateways, partitions }) => `${(((gateways / partitions) * inputs.readMs) / 1000).toFixed(1)} ms`,
    ],
  ];
  const head = ["", ...FLEETS.map(({ gateways, perS }) => `${whole(gateways)} × ${perS}/s`)];
  const rows = rowsOf.map(([what, show]) => [what, ...FLEETS.map(show)]);
  return ["### What follows", markdownTable(head, rows)].join("\n\n");
}

function recordsPerS({ gateways, perS }: Fleet): number {
  return gateways * perS;
}

/** Without the idle part, which is each instance's own. */
function bridgeCores(fleet: Fleet, { costs, payloadBytes }: Inputs): number {
  return (recordsPerS(fleet) * costs.record + transactionsPerS(fleet, payloadBytes) * costs.transaction) / 1000;
}

function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const at = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(value) / 3)));
  const scaled = value / 1000 ** at;
  return `${scaled.toFixed(scaled < 10 ? 1 : 0)} ${units[at]}`;
}
