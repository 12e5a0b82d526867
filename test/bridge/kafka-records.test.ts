import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Batch, encodeRecords, type Outgoing, realRecords } from "../../bridge/kafka/records.ts";

// kafkajs's own encoder of a record is the reference for ours.
const require = createRequire(import.meta.url);
const kafkajsRecord = require("kafkajs/src/protocol/recordBatch/record/v0") as (record: object) => { buffer: Buffer };

const LONG = "x".repeat(70);
const MESSAGES: readonly Outgoing[] = [
  { key: "gw-1/meter-1", value: Buffer.from('{"v":1}'), headers: { gateway: "gw-1", seq: "1" } },
  { key: "gw-1", value: "text", headers: {} },
  { key: "", value: null },
  { key: LONG, value: LONG, headers: { [LONG]: LONG, ä: "ö€😀" } },
  { key: "é".repeat(40), value: "😀".repeat(50) },
  { key: "k", value: Buffer.alloc(300, 7), headers: { h: "" } },
  { key: "large", value: Buffer.alloc(70_000, 9) },
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

test("where kafkajs compresses the blanks of a batch, the real records take their place, as often as it asks", () => {
  const blanksOf = (batch: Batch) => {
    return Buffer.concat(
      batch.blanks.map(
        ({ key, value }, offsetDelta) => kafkajsRecord({ key, value, offsetDelta, timestampDelta: 0 }).buffer,
      ),
    );
  };
  using one = new Batch(MESSAGES, 3);
  using other = new Batch(MESSAGES.slice(1), 3);
  assert.deepEqual([one.blanks.length, other.blanks.length], [MESSAGES.length, MESSAGES.length - 1]);
  for (const batch of [one, other, one]) {
    const messages = batch === one ? MESSAGES : MESSAGES.slice(1);
    assert.deepEqual(realRecords(blanksOf(batch)), encodeRecords(messages));
  }
});

test("other batches, and those that are done, stay as they are", () => {
  const strange = Buffer.from("any bytes that are not blanks of ours");
  assert.equal(realRecords(strange), strange);
  const batch = new Batch(MESSAGES, 0);
  const blank = kafkajsRecord({ ...batch.blanks[0], offsetDelta: 0, timestampDelta: 0 }).buffer;
  assert.notEqual(realRecords(blank), blank);
  batch[Symbol.dispose]();
  assert.equal(realRecords(blank), blank);
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
