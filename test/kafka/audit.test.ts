/** `busbar bridge audit` on a real Kafka, with records written by hand; kcat counts, too. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { KafkaCluster } from "../../hw-sim/kafka/cluster.ts";
import { freePort } from "../support/wait.ts";
import { auditJson, auditRun, makeTopics } from "./audit-run.ts";
import { NO_KAFKA, startKafka } from "./kafka.ts";
import { committed, identities } from "./kcat.ts";
import { dataRecord, eventRecord, gapRecord, openWriter, type Writer } from "./records.ts";

const skip = NO_KAFKA;
const GW = "depot-berlin-01";
const EPOCH = "k3f9a1c2";
let kafka: KafkaCluster;
let writer: Writer;
before(async () => {
  if (skip !== false) return;
  kafka = await startKafka({ nodes: 1 });
  writer = await openWriter(kafka.brokers);
});
after(async () => {
  await writer?.[Symbol.asyncDispose]();
  await kafka?.[Symbol.asyncDispose]();
});

const seqs = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const inPartition = <T extends object>(partition: number, message: T) => ({ ...message, partition });
const send = async (topic: string, messages: { key?: unknown }[], partition = 0) => {
  const placed = messages.map((message) => inPartition(partition, message)) as never;
  await writer.producer.send({ topic, messages: placed });
};

test("complete: what arrived in any order, and what gap records cover", { skip }, async () => {
  const prefix = "complete";
  await makeTopics(writer, prefix);
  const telemetry = [...seqs(1, 119), 482, 481, ...seqs(483, 600), 121].map((seq) => dataRecord({ seq }));
  await send(`${prefix}.telemetry`, [...telemetry, dataRecord({ seq: 1, c: "b" })]);
  await send(
    `${prefix}.events`,
    [1, 2, 4].map((seq) => eventRecord({ seq })),
  );
  const gaps = [
    gapRecord({ seq: 3 }, {}),
    gapRecord({ seq: 5 }, { from: null, to: null, samples: 812, reason: "overload" }),
  ];
  await send(`${prefix}.gaps`, [
    ...gaps,
    gapRecord({ seq: 6 }, { epoch: "aaaabbbb", from: 1, to: null, reason: "corrupt" }),
  ]);

  const { code, json } = await auditJson(kafka.brokers, prefix);
  assert.equal(code, 0);
  assert.equal(json.complete, true);
  const [old, c, t, b] = json.streams;
  assert.deepEqual([old?.epoch, old?.stream, old?.arrived.count, old?.missing.count], ["aaaabbbb", "t", 0, 0]);
  assert.equal(old?.gaps[0]?.open_from, 1);
  assert.deepEqual([c?.stream, c?.arrived], ["c", { count: 6, ranges: [[1, 6]] }]);
  assert.deepEqual(t?.arrived, {
    count: 240,
    ranges: [
      [1, 119],
      [121, 121],
      [481, 600],
    ],
  });
  // 121 lies in the gap and arrived all the same.
  assert.deepEqual(
    t?.gaps.map(({ reason, covered, ranges, samples_without_seq: unnumbered }) => [
      reason,
      covered,
      ranges,
      unnumbered,
    ]),
    [
      ["full", 360, [[120, 480]], 0],
      ["overload", 0, [], 812],
    ],
  );
  assert.deepEqual([b?.stream, b?.arrived.count], ["b", 1]);
  assert.equal((await committed(kafka.brokers, `${prefix}.telemetry`)).length, 241);
  assert.equal(json.totals.records, 241 + 3 + 3);
});

test("missing, doubled and unreadable records are each told, and the exit code is 1", { skip }, async () => {
  const prefix = "faulty";
  await makeTopics(writer, prefix);
  await send(
    `${prefix}.telemetry`,
    [...seqs(2, 10), ...seqs(14, 20), 7, 7].map((seq) => dataRecord({ seq })),
  );
  const strange = dataRecord({ seq: 11 });
  const torn = { ...strange, value: String(strange.value).replace("7360", "7361") };
  const lying = { ...strange, headers: { ...strange.headers, seq: "12" } };
  await send(`${prefix}.telemetry`, [torn, lying, { value: "hello" }], 1);
  await send(`${prefix}.events`, [eventRecord({ seq: 1, gw: "other" })]);

  const { code, json } = await auditJson(kafka.brokers, prefix);
  assert.equal(code, 1);
  const t = json.streams.find(({ gateway }) => gateway === GW);
  assert.deepEqual(t?.missing, {
    count: 4,
    ranges: [
      [1, 1],
      [11, 13],
    ],
  });
  assert.deepEqual(t?.doubled, { count: 2, seqs: [7, 7] });
  assert.deepEqual(
    json.unreadable.unread.map(({ why }) => why.split(",")[0]),
    ["its checksum is missing or wrong", "its headers say other than its value", "its checksum is missing or wrong"],
  );
  const counts = identities(await committed(kafka.brokers, `${prefix}.telemetry`));
  assert.equal(counts.get(`${GW} ${EPOCH} t 7`), 3);

  const text = await auditRun(kafka.brokers, prefix);
  assert.equal(text.code, 1);
  assert.match(text.stdout, /^MISSING {2}depot-berlin-01 k3f9a1c2 telemetry: 1, before all that arrived$/m);
  assert.match(text.stdout, /^MISSING .*: 11–13, after 20\d\d-/m);
  assert.match(text.stdout, /^DOUBLED .*2 records too many: seq 7, 7$/m);
  assert.match(text.stdout, /^NOT COMPLETE: 4 missing, 2 doubled, 3 unreadable/m);

  const other = await auditJson(kafka.brokers, prefix, "--gateway", "other");
  assert.deepEqual([other.code, other.json.streams.length], [0, 1]);
  const nobody = await auditRun(kafka.brokers, prefix, "--gateway", "nobody");
  assert.deepEqual([nobody.code, /no record of gateway nobody/.test(nobody.stderr)], [1, true]);
  assert.equal(nobody.stdout, "", "nothing is said to be complete");
});

test("records of aborted and of open transactions are not there", { skip, timeout: 60_000 }, async () => {
  const prefix = "aborted";
  await makeTopics(writer, prefix);
  await using other = await openWriter(kafka.brokers, "audit-test");
  const topic = `${prefix}.telemetry`;
  const messages = (from: number, to: number) => seqs(from, to).map((seq) => inPartition(0, dataRecord({ seq })));
  const write = async (from: number, to: number, end: "commit" | "abort") => {
    const transaction = await other.producer.transaction();
    await transaction.send({ topic, messages: messages(from, to) });
    await transaction[end]();
  };
  await write(1, 50, "abort");
  await write(1, 20, "commit");
  await write(21, 40, "abort");
  await write(21, 30, "abort");
  await write(21, 30, "commit");
  await write(31, 99, "abort");
  const open = await other.producer.transaction();
  await open.send({ topic, messages: messages(31, 60) });

  const { code, json } = await auditJson(kafka.brokers, prefix);
  assert.deepEqual(json.streams[0]?.arrived, { count: 30, ranges: [[1, 30]] });
  assert.deepEqual([json.streams[0]?.doubled.count, code], [0, 0]);
  await open.abort();
  assert.equal((await committed(kafka.brokers, topic)).length, 30);
});

test("what Kafka deleted from the start is not missing, and what is missing behind it is", { skip }, async () => {
  const prefix = "deleted";
  await makeTopics(writer, prefix, { "retention.ms": "-1" });
  const topic = `${prefix}.telemetry`;
  await send(
    topic,
    [...seqs(1, 100), ...seqs(111, 150)].map((seq) => dataRecord({ seq })),
  );
  await send(topic, [dataRecord({ seq: 1, gw: "young" }), dataRecord({ seq: 3, gw: "young" })], 1);
  await send(`${prefix}.gaps`, [gapRecord({ seq: 2 }, {}), gapRecord({ seq: 4 }, {})]);
  // kafkajs deletes only in topics whose leaders it knows already.
  await writer.admin.fetchTopicOffsets(topic);
  await writer.admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "80" }] });

  const { code, json } = await auditJson(kafka.brokers, prefix);
  assert.equal(code, 1);
  const [old, young] = [GW, "young"].map((name) => {
    return json.streams.find(({ gateway, stream }) => gateway === name && stream === "t");
  });
  assert.deepEqual(old?.deleted, { count: 80, ranges: [[1, 80]] });
  assert.deepEqual(old?.missing, { count: 10, ranges: [[101, 110]] });
  // Of its partition nothing was deleted.
  assert.deepEqual([young?.deleted.count, young?.missing.ranges], [0, [[2, 2]]]);
  // Events were never deleted, so neither were the critical records 1 and 3.
  const c = json.streams.find(({ stream }) => stream === "c");
  assert.deepEqual(c?.missing.ranges, [
    [1, 1],
    [3, 3],
  ]);
});

test("the samples of one record count as one; a torn record is missing, a doubled sample is doubled", {
  skip,
}, async () => {
  const prefix = "samples";
  await makeTopics(writer, prefix);
  const sample = ([seq, part]: readonly [number, string?]) => {
    const { headers, ...message } = dataRecord({ seq });
    const value = `{"gw":"${GW}","signal":"SoC","ts":1,"v":41,"q":"good"}`;
    return { ...message, value, headers: part === undefined ? headers : { ...headers, sample: part } };
  };
  const rows = [
    ...([
      [1, "1/3"],
      [1, "2/3"],
      [1, "3/3"],
      [2, "1/1"],
    ] as const), // whole
    ...([
      [3, "1/2"],
      [4, "1/2"],
      [4, "2/2"],
    ] as const), // the second of 3 is missing
    ...([
      [5, "1/2"],
      [5, "1/2"],
      [5, "2/2"],
    ] as const), // a sample twice
    ...([
      [6, "1/1"],
      [6, "1/1"],
    ] as const), // a record twice
    ...([[1, "2/3"]] as const), // one again of one that was whole
    ...([[7]] as const), // of a bridge that told nothing
    ...([[8, "2/2"]] as const), // the last, torn
  ];
  await send(`${prefix}.telemetry`, rows.map(sample));
  const { code, json } = await auditJson(kafka.brokers, prefix);
  const [t] = json.streams;
  assert.deepEqual(t?.arrived.ranges, [
    [1, 2],
    [4, 6],
  ]);
  assert.deepEqual(t?.missing.ranges, [
    [3, 3],
    [7, 8],
  ]);
  assert.deepEqual(t?.doubled, { count: 3, seqs: [5, 6, 1] });
  assert.deepEqual(t?.torn, { count: 2, seqs: [3, 8] });
  assert.match(json.unreadable.unread[0]?.why ?? "", /a sample without the headers/);
  assert.deepEqual([json.unreadable.count, code], [1, 1]);
  const { stdout } = await auditRun(kafka.brokers, prefix);
  assert.match(stdout, /^TORN .*: 3, 8: some of their samples arrived, not all$/m);
});

test("no Kafka, and no such topics, are told within a bounded time, with exit code 69", {
  skip,
  timeout: 60_000,
}, async () => {
  const nobody = await auditRun([`127.0.0.1:${await freePort()}`], "busbar");
  assert.equal(nobody.code, 69);
  assert.match(nobody.stderr, /^busbar bridge audit: kafka at 127\.0\.0\.1:\d+: .*ECONNREFUSED/);
  const strange = await auditRun(kafka.brokers, "strange");
  assert.equal(strange.code, 69);
  assert.match(
    strange.stderr,
    /no topic strange\.telemetry, strange\.events, strange\.gaps; check kafka\.topic_prefix/,
  );
});
