import assert from "node:assert/strict";
import { test } from "node:test";
import {
  filtersOf,
  identityOf,
  partitionOf,
  placeOfKey,
  recordHeaders,
  recordKey,
  slotsOf,
  TOPICS,
  topicOf,
  topicSettings,
} from "../../bridge/topics.ts";
import { parseRecord } from "../../core/record.ts";
import { contract } from "../support/contracts.ts";

test("a gateway is in the partition whose subscriptions match its topics", () => {
  // Slot d8, as contracts/topics.txt has it.
  for (const [partitions, partition] of [
    [1, 0],
    [16, 8],
    [64, 24],
  ] as const) {
    assert.equal(partitionOf("depot-berlin-01", partitions), partition);
    const filter = partitions === 1 ? "busbar/v1/+/+/#" : "busbar/v1/d8/+/#";
    assert.ok(filtersOf(partition, partitions).includes(filter));
  }
});

test("every slot belongs to one partition", () => {
  for (const partitions of [1, 2, 16, 64]) {
    const all = Array.from({ length: partitions }, (_, partition) => slotsOf(partition, partitions)).flat();
    assert.deepEqual([all.length, new Set(all).size], [256, 256]);
  }
});

test("topic, key and headers of each kind of record", () => {
  const seen = ["data", "event", "session", "gap", "time"].map((kind) => {
    const record = parseRecord(contract(`record-${kind}.json`));
    return [topicOf(record.k), recordKey(record), Object.values(recordHeaders(record)).join(" ")];
  });
  const tail = "application/json 1";
  assert.deepEqual(seen, [
    ["telemetry", "depot-berlin-01/meter-1", `depot-berlin-01 k3f9a1c2 t 48213 1795226000123 ${tail}`],
    ["events", "depot-berlin-01/van-7", `depot-berlin-01 k3f9a1c2 c 95 1795226102000 ${tail}`],
    ["events", "depot-berlin-01/wallbox-1", `depot-berlin-01 k3f9a1c2 c 96 1795226103000 ${tail}`],
    ["gaps", "depot-berlin-01", `depot-berlin-01 k3f9a1c2 c 92 1795226100000 ${tail}`],
    ["events", "depot-berlin-01", `depot-berlin-01 k3f9a1c2 c 94 1795226101000 ${tail}`],
  ]);
});

test("the headers tell the identity again, and only ours do", () => {
  const headers = recordHeaders(parseRecord(contract("record-data.json")));
  const bytes = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)]));
  const identity = { gateway: "depot-berlin-01", epoch: "k3f9a1c2", stream: "t", seq: 48213 };
  assert.deepEqual(identityOf(bytes), identity);
  for (const wrong of [{ version: "2" }, { stream: "x" }, { seq: "0" }, { seq: "1.5" }, { gateway: "" }]) {
    assert.equal(identityOf({ ...headers, ...wrong }), undefined, JSON.stringify(wrong));
  }
  assert.equal(identityOf(undefined), undefined);
});

test("keys of busbar.gateways", () => {
  assert.deepEqual(placeOfKey("gw-1/state"), { gateway: "gw-1", birth: undefined });
  assert.deepEqual(placeOfKey("gw-1/birth/164043ef"), { gateway: "gw-1", birth: "164043ef" });
  for (const key of ["bridge", "", "gw-1/birth", "gw-1/state/x", "gw-1/birth/a/b"])
    assert.equal(placeOfKey(key), undefined);
});

test("every topic takes the log's time; progress, gateways and sessions are compacted", () => {
  const settings = TOPICS.map(
    (topic) => [topic, topicSettings(topic, { retentionMs: 1, maxMessageBytes: 2 })] as const,
  );
  for (const [topic, { must }] of settings) assert.equal(must["message.timestamp.type"], "LogAppendTime", topic);
  const compacted = settings.filter(([, { must }]) => must["cleanup.policy"] === "compact").map(([topic]) => topic);
  assert.deepEqual(compacted.sort(), ["gateways", "progress", "sessions"]);
});
