/** Kafka hangs, is slow, loses topics; the bridge's clock steps: it tells, loses nothing, doubles nothing, and heals by itself. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { KafkaCluster } from "../../hw-sim/kafka/cluster.ts";
import { until } from "../support/wait.ts";
import { startKafka } from "./kafka.ts";
import { type Line, startLine } from "./line.ts";
import { openWriter } from "./records.ts";
import { NO_RIG } from "./rig.ts";
import { assertAll, becomes, publishRange, told } from "./trouble.ts";

const skip = NO_RIG;
const STEP = new URL("trouble-clock.ts", import.meta.url).href;
let cluster: KafkaCluster;
before(async () => {
  if (skip === false) cluster = await startKafka({ nodes: 1 });
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

async function readyLine(name: string): Promise<Line> {
  const line = await startLine({ cluster, name });
  await line.bridge.start();
  await line.ready();
  await publishRange(line, 1, 10);
  await line.arrived("telemetry", 10);
  return line;
}

test("Kafka hangs for longer than a session", { skip }, async () => {
  await using line = await readyLine("hangs");
  await cluster.kill(1, "SIGSTOP");
  try {
    await publishRange(line, 11, 50);
    await becomes(line, "failed");
  } finally {
    await cluster.kill(1, "SIGCONT");
  }
  told("Kafka hung", await becomes(line, "ok"));
  await line.arrived("telemetry", 50);
  await assertAll(line, 50);
});

test("Kafka is slow: it stands still for half of the time", { skip }, async () => {
  await using line = await readyLine("slow");
  const warnings: string[] = [];
  process.on("warning", ({ name }) => warnings.push(name));
  for (let slice = 0; slice < 20; slice++) {
    await cluster.kill(1, "SIGSTOP");
    await publishRange(line, 11 + 20 * slice, 30 + 20 * slice);
    await sleep(400);
    await cluster.kill(1, "SIGCONT");
    await sleep(400);
  }
  await line.arrived("telemetry", 410);
  told("Kafka slow", await becomes(line, "ok"));
  await assertAll(line, 410);
  assert.deepEqual(warnings, [], "stopping and continuing a node leaves nothing behind");
});

for (const topic of ["gateways", "progress"]) {
  test(`the topic ${topic} is deleted under it`, { skip }, async () => {
    const name = `no-${topic}`;
    await using line = await readyLine(name);
    await using writer = await openWriter(cluster.brokers);
    await writer.admin.deleteTopics({ topics: [`${name}.${topic}`] });
    await publishRange(line, 11, 20);
    const startedMs = performance.now();
    await line.arrived("telemetry", 20);
    await becomes(line, "ok");
    told(`topic ${topic} deleted`, (performance.now() - startedMs) / 1000);
    await assertAll(line, 20);
  });
}

test("the clock steps back by an hour: the Kafka client's heartbeats wait for it, the bridge does not", {
  skip,
}, async () => {
  process.env.NODE_OPTIONS = `--import ${STEP}`;
  const line = await readyLine("clock").finally(() => {
    delete process.env.NODE_OPTIONS;
  });
  await using _line = line;
  process.kill(line.bridge.pid, "SIGUSR2");
  await until("it says that it steps", () => line.bridge.stderr.includes("clock steps"), 10_000);
  await becomes(line, "failed");
  await publishRange(line, 11, 20);
  told("clock stepped back", await becomes(line, "ok"));
  await line.arrived("telemetry", 20);
  await assertAll(line, 20);
});

test("SIGTERM ends it in order, also while Kafka hangs or was never there", { skip }, async () => {
  await using line = await readyLine("ends");
  await cluster.kill(1, "SIGSTOP");
  try {
    assert.equal(await line.bridge.end("SIGTERM"), 0, line.bridge.stderr.slice(-2000));
    await line.bridge.start();
    await until("it looks for Kafka", () => line.bridge.stderr.includes("bridge starts"), 20_000);
    await until("its page answers", async () => (await line.bridge.health()) !== undefined, 20_000);
    const startedMs = performance.now();
    assert.equal(await line.bridge.end("SIGTERM"), 0, line.bridge.stderr.slice(-2000));
    const endedMs = performance.now() - startedMs;
    assert.ok(endedMs < 10_000, `it took ${endedMs} ms`);
  } finally {
    await cluster.kill(1, "SIGCONT");
  }
});
