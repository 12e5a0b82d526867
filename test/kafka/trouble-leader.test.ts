/** A broker hangs and does not die: the others take its leaders over, and the bridge goes on with them. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { partitionOf } from "../../bridge/topics.ts";
import { uplinkPrefix } from "../../core/topics.ts";
import type { KafkaCluster } from "../../hw-sim/kafka/cluster.ts";
import { until } from "../support/wait.ts";
import { startKafka } from "./kafka.ts";
import { type Line, startLine } from "./line.ts";
import { openWriter } from "./records.ts";
import { LONG, NO_RIG } from "./rig.ts";
import { assertAll, becomes, publishRange, told } from "./trouble.ts";

const skip = NO_RIG;
const ROUNDS = LONG === 1 ? 1 : 6;
/** A write is given up after 20 s, an opening after as long: two of them may meet the broker that hangs. */
const LIMIT_MS = 120_000;
const PARTITIONS = 4;
let cluster: KafkaCluster;
before(async () => {
  if (skip === false) cluster = await startKafka({ nodes: 3 });
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

/** The node that leads the gateway's partition of the data topic. */
async function leader(): Promise<number> {
  await using writer = await openWriter(cluster.brokers);
  const { topics } = await writer.admin.fetchTopicMetadata({ topics: ["hung.telemetry"] });
  const found = topics[0]?.partitions.find(({ partitionId }) => partitionId === partitionOf("gw-1", PARTITIONS));
  assert.ok(found !== undefined);
  return found.leader;
}

/** Waits until the bridge tells the gateway that Kafka has all up to `last`: a reader of Kafka would hang, too. */
async function progressed({ publisher, bridge }: Line, last: number): Promise<void> {
  const topic = `${uplinkPrefix("gw-1")}/receipt`;
  let heard = "";
  const hear = (name: string, payload: Buffer): void => {
    if (name === topic) heard = payload.toString();
  };
  publisher.on("message", hear);
  await publisher.subscribeAsync(topic, { qos: 1 });
  await until(`a receipt for ${last}`, () => heard.includes(`"t":${last},`), LIMIT_MS).catch((error: Error) => {
    throw new Error(`${error.message}; heard ${heard}; ${bridge.stderr.slice(-2000)}`);
  });
  publisher.off("message", hear);
}

test("the leader of the partition hangs", { skip, timeout: ROUNDS * 170_000 }, async () => {
  await using line = await startLine({ cluster, name: "hung" });
  await line.bridge.start();
  await line.ready();
  for (let round = 1; round <= ROUNDS; round++) {
    const last = 100 * round;
    const node = await leader();
    const startedMs = performance.now();
    await cluster.kill(node, "SIGSTOP");
    try {
      await publishRange(line, last - 99, last);
      await progressed(line, last);
      told(`broker ${node}, the leader, hung`, (performance.now() - startedMs) / 1000);
    } finally {
      await cluster.kill(node, "SIGCONT");
    }
    await becomes(line, "ok");
  }
  await assertAll(line, 100 * ROUNDS);
});
