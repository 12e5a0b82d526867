/** A gateway whose disk is put back to an older state: the cloud's receipt keeps it from using its numbers twice. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { connectAsync } from "mqtt";
import { parseRecord, plainRecord, STREAMS } from "../../core/record.ts";
import { uplinkPrefix } from "../../core/topics.ts";
import { type Broker, NO_MOSQUITTO } from "../support/broker.ts";
import { startTrial } from "../support/trial.ts";
import { until } from "../support/wait.ts";

function copyStore(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const file of readdirSync(to)) if (file.startsWith("outbox.db")) rmSync(join(to, file));
  for (const file of readdirSync(from)) if (file.startsWith("outbox.db")) cpSync(join(from, file), join(to, file));
}

/** What the bridge would say of the epoch that came last. */
function receiptOf(broker: Broker): { epoch: string; upto: Record<string, number> } {
  const upto: Record<string, number> = { c: 0, t: 0, b: 0 };
  const records = broker
    .arrivals()
    .filter(({ topic, retain }) => !retain && /\/(data|event|gap|time)(\/|$)/.test(topic));
  const parsed = records.map(({ payload }) => parseRecord(plainRecord(payload)));
  const epoch = parsed.at(-1)?.epoch ?? "";
  for (const record of parsed.filter((one) => one.epoch === epoch)) {
    upto[record.c] = Math.max(upto[record.c] ?? 0, record.seq);
  }
  return { epoch, upto };
}

test("a restored image begins a new epoch: nothing missing, doubled or invented", { skip: NO_MOSQUITTO }, async () => {
  await using trial = await startTrial("Mosquitto, MQTT 5");
  const { broker, gateway, dir } = trial;
  const arrived = () => broker.arrivals().length;
  const more = (count: number) => {
    const before = arrived();
    return until("records flow", () => arrived() > before + count, 30_000);
  };
  await more(20);
  assert.equal(await gateway.end("SIGTERM"), 0);
  copyStore(dir, join(dir, "image"));
  await gateway.start();
  await more(30);
  assert.equal(await gateway.end("SIGTERM"), 0);

  copyStore(join(dir, "image"), dir);
  const receipt = receiptOf(broker);
  assert.ok(
    STREAMS.some((stream) => (receipt.upto[stream] ?? 0) > 5),
    JSON.stringify(receipt),
  );
  const bridge = await connectAsync(broker.url);
  await bridge.publishAsync(`${uplinkPrefix("gw-under-test")}/receipt`, JSON.stringify(receipt), {
    qos: 1,
    retain: true,
  });
  await bridge.endAsync();
  await gateway.start();
  await until(
    "a new epoch",
    async () => ((await gateway.snapshot())?.outbox?.epoch ?? receipt.epoch) !== receipt.epoch,
    15_000,
  );
  await more(20);
  const { violations, gaps } = await trial.conclude();
  assert.deepEqual(violations, []);
  assert.deepEqual(gaps, []);
  assert.notEqual(receiptOf(broker).epoch, receipt.epoch);
});
