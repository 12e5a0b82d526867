import type { StreamVerdict } from "../bridge/audit/judge.ts";
import { AUDITED } from "../bridge/audit/tally.ts";
import type { Snapshot } from "../daemon/status/protocol.ts";
import { PARTITIONS } from "./demo-kafka-config.ts";
import type { Arrivals } from "./demo-kafka-reader.ts";

export interface KafkaAddresses {
  readonly page: string;
  readonly mqtt: string;
  readonly kafka: string;
  /** Of the first bridge, relative to where the demo was started. */
  readonly config: string;
  readonly logs: string;
}

export interface BridgeState {
  readonly id: string;
  readonly page: string;
  /** Undefined while it is not running. */
  readonly pid: number | undefined;
  /** Seconds until it is started again. */
  readonly startsInS: number;
  readonly status: string | undefined;
  readonly owned: readonly number[];
}

export interface Picture {
  readonly snapshot: Snapshot | undefined;
  readonly bridges: readonly BridgeState[];
  readonly arrivals: ReadonlyMap<string, Arrivals>;
  readonly streams: readonly StreamVerdict[];
  readonly nowMs: number;
}

const STREAMS = { c: "critical", t: "telemetry", b: "bulk" } as const;

export function introduction({ page, mqtt, kafka, config, logs }: KafkaAddresses): string {
  return `Busbar demo with Kafka: a simulated depot and its gateway, Mosquitto, two bridges, Kafka.

  gateway's status page   ${page}
  MQTT (Mosquitto)        ${mqtt}
  Kafka                   ${kafka}
  logs                    ${logs}

Look closer, in another terminal:
  npx busbar bridge audit --config ${config}
                                                            is every record there, exactly once?
  kcat -b ${kafka} -C -t busbar.telemetry -o end      records as they arrive (apt-get install kcat)
  npm run sim -- cut wallbox-1   then  restore wallbox-1    a charger goes away and comes back: events
`;
}

/** The state of everything, in as many lines as it takes. */
export function pictureText(picture: Picture): string {
  const { snapshot, bridges, arrivals, streams, nowMs } = picture;
  const rows = AUDITED.map((topic) => {
    const known = arrivals.get(topic);
    const newest = known === undefined ? "" : `${known.key}, ${((nowMs - known.at) / 1000).toFixed(0)} s ago`;
    return `  ${`busbar.${topic}`.padEnd(18)}${String(known?.records ?? 0).padStart(8)}   ${newest}`;
  });
  return [
    gatewayText(snapshot),
    ...bridges.map((bridge) => bridgeText(bridge)),
    "",
    `  ${"TOPIC".padEnd(18)}${"RECORDS".padStart(8)}   NEWEST`,
    ...rows,
    "",
    `  ${"GATEWAY".padEnd(14)}${"EPOCH".padEnd(10)}${"STREAM".padEnd(11)}IN KAFKA`,
    ...streams.map(streamText),
    "",
  ].join("\n");
}

/** One line for a log. */
export function pictureLine({ snapshot, bridges, arrivals, streams, nowMs }: Picture): string {
  const counts = AUDITED.map((topic) => `${topic} ${arrivals.get(topic)?.records ?? 0}`).join(", ");
  const owners = bridges.map(({ id, pid, owned }) => `${id} ${pid === undefined ? "down" : owned.length}`).join(", ");
  const missing = streams.reduce((sum, stream) => sum + stream.missing.length, 0);
  const doubled = streams.reduce((sum, stream) => sum + stream.doubled.count, 0);
  const sent = snapshot?.uplink?.records_acked ?? 0;
  const time = new Date(nowMs).toISOString().slice(11, 19);
  return `${time} sent ${sent}; in Kafka: ${counts}; holes ${missing}, doubled ${doubled}; partitions: ${owners}`;
}

function gatewayText(snapshot: Snapshot | undefined): string {
  if (snapshot?.uplink === undefined) return "  gateway   starting …";
  const { uplink, outbox } = snapshot;
  const receipts = `${outbox?.waiting ?? 0} wait for Kafka's receipt, ${uplink.receipts?.taken ?? 0} receipts`;
  return `  gateway   ${uplink.state}, ${uplink.records_acked} records sent, ${receipts}`;
}

function bridgeText({ id, page, pid, startsInS, status, owned }: BridgeState): string {
  if (pid === undefined) return `  bridge ${id}  down, starts again in ${startsInS} s`;
  const share = `${owned.length} of ${PARTITIONS} partitions`;
  const hint = `${page}/healthz, /metrics; kill -9 ${pid}`;
  return `  bridge ${id}  ${(status ?? "starting …").padEnd(10)} ${share.padEnd(21)}  ${hint}`;
}

function streamText({ gateway, epoch, stream, arrived, missing, doubled }: StreamVerdict): string {
  const ranges = arrived.spans.slice(-3).map(([from, to]) => `${from}–${to}`);
  const more = arrived.spans.length > 3 ? "…, " : "";
  const holes = missing.length === 0 ? "no hole" : `${missing.length} holes`;
  const twice = doubled.count === 0 ? "none twice" : `${doubled.count} TWICE`;
  const head = `  ${gateway.padEnd(14)}${epoch.padEnd(10)}${STREAMS[stream].padEnd(11)}`;
  return `${head}${more}${ranges.join(", ")}: ${holes}, ${twice}`;
}
