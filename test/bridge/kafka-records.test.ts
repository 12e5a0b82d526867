import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Batch, encodeRecords, type Outgoing, realRecords } from "../../bridge/kafka/records.ts";

// kafkajs's own encoder of a record is the reference for ours.
const require = createRequire(import.meta.url);
const kafkajsRecord = require("kafkajs/src/protocol/recordBatch/record/v0") as (record: object) => { buffer: Buffer };
const produceRequest = require("kafkajs/src/protocol/requests/produce/v3/request") as (request: object) => {
  encode(): Promise<{ buffer: Buffer }>;
};
const kafkajs = require("kafkajs") as {
  CompressionTypes: { ZSTD: number };
  CompressionCodecs: Record<number, () => { compress(encoder: { buffer: Buffer }): Promise<Buffer> }>;
};

const LONG = "x".repeat(70);
const MESSAGES: readonly Outgoing[] = [
  { key: "gw-1/meter-1", value: Buffer.from('{"v":1}'), headers: { gateway: "gw-1", seq: "1" } },
  { key: "gw-1", value: "text", headers: {} },
  { key: "", value: null },
  { key: LONG, value: LONG, headers: { [LONG]: LONG, ä: "ö€😀" } },
  { key: "é".repeat(40), value: "😀".repeat(50) },
  { key: "k", value: Buffer.alloc(300, 7), headers: { h: "" } },
  { key: "large", value: Buffer.alloc(70_000, 9) },
  { key: "x".repeat(63), value: Buffer.alloc(8100, 1), headers: { é: "a", ["y".repeat(64)]: "z".repeat(63) } },
];

test("records are written as kafkajs writes them, byte by byte", () => {
  const expected = MESSAGES.map((message, offsetDelta) => {
    return kafkajsRecord({ ...message, headers: message.headers ?? {}, offsetDelta, timestampDelta: 0 }).buffer;
  });
  assert.deepEqual(encodeRecords(MESSAGES), Buffer.concat(expected));
  const many = Array.from({ length: 300 }, () => MESSAGES[0] as Outgoing);
  const counted = many.map(
    (message, offsetDelta) => kafkajsRecord({ ...message, offsetDelta, timestampDelta: 0 }).buffer,
  );
  assert.deepEqual(encodeRecords(many), Buffer.concat(counted));
});

/** What kafkajs sends for messages, uncompressed inside a batch that says that it is compressed. */
async function requestOf(messages: readonly object[], seen?: (batch: Buffer) => Buffer): Promise<Buffer> {
  kafkajs.CompressionCodecs[kafkajs.CompressionTypes.ZSTD] = () => ({
    compress: async ({ buffer }: { buffer: Buffer }) => seen?.(buffer) ?? buffer,
  });
  const partitions = [{ partition: 3, firstSequence: 17, messages }];
  const { encode } = produceRequest({
    ...{ acks: -1, timeout: 30_000, transactionalId: "t", producerId: 4, producerEpoch: 5 },
    ...{ compression: kafkajs.CompressionTypes.ZSTD, topicData: [{ topic: "telemetry", partitions }] },
  });
  return (await encode()).buffer;
}

test("the request that kafkajs makes of blanks is that of the real records, byte by byte, as often as it asks", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_795_226_000_123 });
  using one = new Batch(MESSAGES, 3);
  using other = new Batch(MESSAGES.slice(1), 3);
  for (const batch of [one, other, one]) {
    const messages = batch === one ? MESSAGES : MESSAGES.slice(1);
    assert.deepEqual(await requestOf(batch.blanks, (bytes) => realRecords(bytes, false)), await requestOf(messages));
  }
  using single = new Batch(MESSAGES.slice(0, 1), 3);
  assert.deepEqual(
    await requestOf(single.blanks, (bytes) => realRecords(bytes, true)),
    await requestOf(MESSAGES.slice(0, 1)),
  );
});

test("other batches, and those that are done, stay as they are", () => {
  const strange = Buffer.from("any bytes that are not blanks of ours");
  assert.equal(realRecords(strange, false), strange);
  const batch = new Batch(MESSAGES, 0);
  const blank = kafkajsRecord({ ...batch.blanks[0], offsetDelta: 0, timestampDelta: 0 }).buffer;
  assert.notEqual(realRecords(blank, false), blank);
  batch[Symbol.dispose]();
  assert.equal(realRecords(blank, false), blank);
});

test("kafkajs's grouping by partition finds one group, without copying it message by message", () => {
  const group = require("kafkajs/src/producer/groupMessagesPerPartition") as (input: object) => Record<string, unknown>;
  using batch = new Batch(MESSAGES, 5);
  const partitioner = (): number => {
    throw new Error("asked for each message");
  };
  const grouped = group({ topic: "t", partitionMetadata: [{}], messages: batch.blanks, partitioner });
  assert.deepEqual(Object.keys(grouped), ["5"]);
  assert.equal(grouped["5"], batch.blanks);
});

test("records that are kept are not written over by the next batch", () => {
  using one = new Batch(MESSAGES, 0);
  using other = new Batch(MESSAGES.slice(3), 0);
  const [first, second] = [one, other].map(({ blanks }) => {
    return kafkajsRecord({ ...blanks[0], offsetDelta: 0, timestampDelta: 0 }).buffer;
  }) as [Buffer, Buffer];
  const kept = realRecords(first, true);
  const passing = realRecords(first, false);
  realRecords(second, false);
  assert.deepEqual(kept, encodeRecords(MESSAGES));
  assert.notDeepEqual(passing, kept);
});
