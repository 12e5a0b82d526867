/** Random faults one after the other, while gateways send and send again: the audit finds every record once. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { KafkaCluster } from "../../hw-sim/kafka/cluster.ts";
import { Random } from "../../hw-sim/random.ts";
import { recordBytes } from "../bridge/records.ts";
import { auditJson } from "./audit-run.ts";
import { BridgeProcess } from "./bridge-process.ts";
import { startKafka } from "./kafka.ts";
import { type Line, startLine } from "./line.ts";
import { LONG, NO_RIG } from "./rig.ts";
import { becomes, told } from "./trouble.ts";

const skip = NO_RIG;
const SEED = 7;
const STEPS = LONG === 1 ? 40 : 1000;
const GATEWAYS = ["gw-1", "gw-2", "gw-3", "gw-4", "gw-5", "gw-6"];
let cluster: KafkaCluster;
before(async () => {
  if (skip === false) cluster = await startKafka({ nodes: 1 });
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

/** Records new and sent again, in a random order, and what is none. */
async function burst(line: Line, lasts: Map<string, number>, random: Random): Promise<void> {
  const sent: Promise<void>[] = [];
  for (let i = 0; i < 60; i++) {
    const gw = GATEWAYS[Math.floor(random.next() * GATEWAYS.length)] as string;
    const last = lasts.get(gw) ?? 0;
    const isNew = last === 0 || random.next() < 0.7;
    const seq = isNew ? last + 1 : 1 + Math.floor(random.next() * last);
    if (isNew) lasts.set(gw, seq);
    sent.push(line.publish(gw, "data/meter-1", recordBytes({ gw, seq })));
    if (random.next() < 0.05) sent.push(line.publish(gw, "data/meter-1", randomBytes(100)));
  }
  await Promise.all(sent);
}

test("random faults", { skip, timeout: LONG * 240_000 }, async () => {
  await using line = await startLine({ cluster, name: "soak" });
  const dir = mkdtempSync(join(tmpdir(), "busbar-soak-"));
  // The same configuration on the same host, but for the port of its page.
  const twin = { dir, id: "a", mqttUrl: line.broker.url, brokers: cluster.brokers, bridge: { group: "soak" } };
  await using second = new BridgeProcess({ ...twin, kafka: { topic_prefix: "soak", partitions: 4 } });
  await line.bridge.start();
  await line.ready();
  const random = new Random(SEED, "soak");
  const lasts = new Map<string, number>();
  const frozen = async (freeze: (signal: "SIGSTOP" | "SIGCONT") => unknown): Promise<void> => {
    await freeze("SIGSTOP");
    await sleep(random.next() * 8000);
    await freeze("SIGCONT");
  };
  const faults: readonly (() => Promise<unknown>)[] = [
    () => line.bridge.end("SIGKILL").then(() => line.bridge.start()),
    () => line.bridge.end("SIGTERM").then(() => line.bridge.start()),
    () => second.end("SIGKILL").then(() => second.start()),
    () => second.end("SIGTERM"),
    () => line.broker.stop().then(() => line.broker.start()),
    () => cluster.kill(1, "SIGKILL").then(() => cluster.restart(1)),
    () => frozen((signal) => cluster.kill(1, signal)),
    () => frozen((signal) => line.bridge.freeze(signal)),
  ];
  for (let step = 0; step < STEPS; step++) {
    await burst(line, lasts, random);
    if (random.next() < 0.4) await faults[Math.floor(random.next() * faults.length)]?.();
  }
  await second.end("SIGTERM");
  told(`${STEPS} random steps`, await becomes(line, "ok"));
  const total = [...lasts.values()].reduce((sum, last) => sum + last, 0);
  await line.arrived("telemetry", total);
  const { code, json } = await auditJson(cluster.brokers, "soak");
  assert.deepEqual([code, json.totals.missing, json.totals.doubled, json.totals.records], [0, 0, 0, total]);
  rmSync(dir, { recursive: true });
});
