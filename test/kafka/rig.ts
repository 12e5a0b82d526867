/**
 * The whole way under faults: a real gateway at the simulated depot and a fleet of publishers → Mosquitto → bridges →
 * Kafka, judged by the simulator's ledger, by the audit, and by what kcat counts.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseRecord } from "../../core/record.ts";
import { recordTopicTail, uplinkPrefix } from "../../core/topics.ts";
import type { KafkaCluster } from "../../hw-sim/kafka/cluster.ts";
import { type Broker, NO_MOSQUITTO, startMosquitto } from "../support/broker.ts";
import { GatewayProcess } from "../support/gateway-process.ts";
import { judge, type Received, type Verdict } from "../support/oracle.ts";
import { TOLERANCE } from "../support/oracle-samples.ts";
import { SimProcess } from "../support/sim-process.ts";
import { CAN_ASSETS, drained, OWN_ASSETS } from "../support/trial.ts";
import { until } from "../support/wait.ts";
import { auditJson } from "./audit-run.ts";
import { BridgeProcess } from "./bridge-process.ts";
import { Fleet } from "./fleet.ts";
import { NO_KAFKA } from "./kafka.ts";
import { committed, identities, type Seen } from "./kcat.ts";

/** Why these tests are skipped, or false. */
export const NO_RIG: string | false = NO_KAFKA === false ? NO_MOSQUITTO : NO_KAFKA;
/** `npm run test:kafka -- --long`: each fault goes on for this many times as long. */
export const LONG = process.env.BUSBAR_KAFKA_LONG === "1" ? 8 : 1;

export interface RigOptions {
  readonly kafka: KafkaCluster;
  /** Own topics and groups in the cluster that tests share. */
  readonly name: string;
  readonly bridges: number;
  readonly doubledPercent?: number;
  /** Mosquitto's own. */
  readonly mosquitto?: readonly string[];
}

export interface Rig extends AsyncDisposable {
  readonly dir: string;
  readonly broker: Broker;
  readonly bridges: readonly BridgeProcess[];
  readonly gateway: GatewayProcess;
  readonly fleet: Fleet;
  /** Resolves when receipts cover so many more records: work goes on. */
  progress(records: number, limitMs: number): Promise<void>;
  /** Stops the sources in order and asserts that nothing is missing and nothing doubled. */
  conclude(): Promise<void>;
}

const SETTLE_MS = 60_000;
/** A Kafka, bridges and a fleet beside the gateway on two cores: here the gateway may be slow to see a reply. */
const BUSY = { ...TOLERANCE, lateMs: 2000 };
const FLEET = { gateways: 12, recordsPerS: 20, seed: 1 };

export async function startRig({ kafka, name, doubledPercent = 10, ...options }: RigOptions): Promise<Rig> {
  await using opened = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), "busbar-rig-"));
  opened.defer(() => rmSync(dir, { recursive: true, force: true }));
  const extra = options.mosquitto ?? [];
  const broker = opened.use(await startMosquitto({ maxInflight: 2000, record: false, extra }));
  const bridges = Array.from({ length: options.bridges }, (_, i) => {
    const group = { group: name };
    const id = String.fromCharCode(97 + i);
    const brokers = kafka.brokers;
    return opened.use(
      new BridgeProcess({ dir, id, mqttUrl: broker.url, brokers, bridge: group, kafka: { topic_prefix: name } }),
    );
  });
  await Promise.all(bridges.map((bridge) => bridge.start()));
  await until("the bridges share all partitions", () => allOwned(bridges), SETTLE_MS);
  const sim = opened.use(await SimProcess.start(dir));
  const uplink = { url: broker.url, publish_interval: "1 s", prune_on: "receipt" };
  const gateway = opened.use(new GatewayProcess({ dir, sources: sim.sources, uplink }));
  await gateway.start();
  const fleet = opened.use(new Fleet({ url: broker.url, doubledPercent, ...FLEET }));
  const all = opened.move();
  const rig: Rig = {
    dir,
    broker,
    bridges,
    gateway,
    fleet,
    progress: async (records, limitMs) => {
      const goal = fleet.receipted + records;
      const what = `receipts for ${records} more records (bridges: ${bridges.map(lastWords).join("; ")})`;
      await until(what, () => fleet.receipted >= goal, limitMs);
    },
    conclude: async () => {
      await fleet.finish(SETTLE_MS);
      await drained(gateway);
      assert.equal(await gateway.end("SIGTERM"), 0, gateway.stderr.slice(-2000));
      await sim[Symbol.asyncDispose]();
      await judged(kafka, { name, ledger: sim.ledger(), fleet, gateway });
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
  return rig;
}

/** Waits until the last records are in Kafka, then asserts. */
async function judged(
  kafka: KafkaCluster,
  { name, ledger, fleet, gateway }: { name: string; ledger: string; fleet: Fleet; gateway: GatewayProcess },
): Promise<void> {
  let verdict: Verdict | undefined;
  let seen: Seen[] = [];
  let before = -1;
  const holds = async (): Promise<boolean> => {
    const topics = ["telemetry", "events", "gaps"].map((topic) => committed(kafka.brokers, `${name}.${topic}`));
    seen = (await Promise.all(topics)).flat();
    const received = seen.filter(({ headers }) => headers.gateway === "gw-under-test").map(asReceived);
    const { intervals } = gateway;
    verdict = judge({ ledger, received, intervals, canAssets: CAN_ASSETS, ownAssets: OWN_ASSETS, tolerance: BUSY });
    const calm = seen.length === before;
    before = seen.length;
    return verdict.violations.length === 0 && calm;
  };
  await until("the ledger is in Kafka, and nothing new arrives", holds, SETTLE_MS).catch(() => undefined);
  assert.deepEqual(verdict?.violations, []);
  assert.ok((verdict?.samples ?? 0) > 100, `only ${verdict?.samples} samples arrived`);

  // Counted by kcat: every number of the fleet, each once.
  const counts = identities(seen);
  assert.deepEqual([...counts].filter(([, count]) => count !== 1).slice(0, 10), [], "doubled");
  const missing = [...fleet.lasts].flatMap(([id, last]) => {
    return Array.from({ length: last }, (_, i) => `${id} fleet000 t ${i + 1}`).filter((one) => !counts.has(one));
  });
  assert.deepEqual(missing.slice(0, 10), [], "missing");

  const { code, json, stderr } = await auditJson(kafka.brokers, name);
  assert.equal(stderr, "");
  assert.deepEqual([json.totals.missing, json.totals.doubled, json.unreadable.count, code], [0, 0, 0, 0]);
  assert.equal(json.totals.records, counts.size);
  const { sent, doubled } = fleet;
  console.log(
    `${name}: ${counts.size} records in Kafka, none missing, none doubled; ${sent} of the fleet, ${doubled} sent twice`,
  );
}

/** What a subscriber of the cloud's broker would have had. */
function asReceived({ value }: Seen): Received {
  const payload = Buffer.from(value);
  const { gw, k, asset } = parseRecord(payload);
  return { topic: `${uplinkPrefix(gw)}/${recordTopicTail(k, asset)}`, payload };
}

export async function allOwned(bridges: readonly BridgeProcess[]): Promise<boolean> {
  const healths = await Promise.all(bridges.map((bridge) => bridge.health()));
  const owned = healths.flatMap((health) => (health?.status === "ok" ? health.owned : []));
  return new Set(owned).size === 8 && owned.length === 8;
}

function lastWords({ stderr }: BridgeProcess): string {
  return stderr.trimEnd().split("\n").slice(-3).join(" | ");
}
