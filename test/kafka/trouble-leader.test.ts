/** One of three brokers hangs and does not die: the others take its leaders over, and the bridge goes on with them. */
import { after, before, test } from "node:test";
import { uplinkPrefix } from "../../core/topics.ts";
import type { KafkaCluster } from "../../hw-sim/kafka/cluster.ts";
import { until } from "../support/wait.ts";
import { startKafka } from "./kafka.ts";
import { type Line, startLine } from "./line.ts";
import { LONG, NO_RIG } from "./rig.ts";
import { assertAll, becomes, publishRange, told } from "./trouble.ts";

const skip = NO_RIG;
const NODES = LONG === 1 ? [1] : [1, 2, 3];
/** Every request to it takes 15 s to fail, and there may be some one after the other. */
const LIMIT_MS = 150_000;
let cluster: KafkaCluster;
before(async () => {
  if (skip === false) cluster = await startKafka({ nodes: 3 });
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

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

test("one of three brokers hangs", { skip, timeout: NODES.length * 200_000 }, async () => {
  await using line = await startLine({ cluster, name: "hung" });
  await line.bridge.start();
  await line.ready();
  for (const node of NODES) {
    const last = 100 * node;
    const startedMs = performance.now();
    await cluster.kill(node, "SIGSTOP");
    try {
      await publishRange(line, last - 99, last);
      await progressed(line, last);
      told(`broker ${node} hung`, (performance.now() - startedMs) / 1000);
    } finally {
      await cluster.kill(node, "SIGCONT");
    }
    await becomes(line, "ok");
  }
  await assertAll(line, 100 * NODES.length);
});
