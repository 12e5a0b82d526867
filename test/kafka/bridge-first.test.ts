/** Several bridges start at once where there are no topics yet. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startMosquitto } from "../support/broker.ts";
import { until } from "../support/wait.ts";
import { BridgeProcess } from "./bridge-process.ts";
import { startKafka } from "./kafka.ts";
import { NO_RIG } from "./rig.ts";

const LIMIT_MS = 20_000;
/** So many that Kafka has not opened the files of all when it tells that the topics are there. */
const PARTITIONS = 32;
const EARLIER = { partitions: 1, topic_prefix: "earlier" };

test("two bridges that start at once on a Kafka without topics are at work within 20 s", { skip: NO_RIG }, async () => {
  await using opened = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), "busbar-first-"));
  opened.defer(() => rmSync(dir, { recursive: true }));
  const { brokers } = opened.use(await startKafka({ nodes: 1 }));
  const { url: mqttUrl } = opened.use(await startMosquitto({ maxInflight: 2000, record: false }));
  // Kafka makes topics of its own for the first group and transaction, which would give ours the time that they need.
  const before = opened.use(new BridgeProcess({ dir, id: "before", mqttUrl, brokers, kafka: EARLIER }));
  await before.start();
  await until("an earlier bridge is at work", async () => (await before.health())?.status === "ok", LIMIT_MS);
  await before.end("SIGTERM");
  const bridges = ["a", "b"].map((id) => {
    return opened.use(new BridgeProcess({ dir, id, mqttUrl, brokers, kafka: { partitions: PARTITIONS } }));
  });
  const startedMs = performance.now();
  await Promise.all(bridges.map((bridge) => bridge.start()));
  const work = async (): Promise<boolean> => {
    const healths = await Promise.all(bridges.map((bridge) => bridge.health()));
    const owned = healths.flatMap((health) => (health?.status === "ok" ? health.owned : []));
    return owned.length === PARTITIONS && new Set(owned).size === PARTITIONS;
  };
  await until("each partition has one bridge, and all are well", work, LIMIT_MS).catch((error: Error) => {
    throw new Error(`${error.message}; ${bridges.map(({ stderr }) => stderr.slice(-3000)).join("\n")}`);
  });
  console.log(
    `two bridges where no topics were: at work after ${((performance.now() - startedMs) / 1000).toFixed(1)} s`,
  );
});
