import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { crc32c } from "../../bridge/kafka/crc32c.ts";
import { Batch, type Encoded, type ProduceArgs, type ProduceModule, writeBatches } from "../../bridge/kafka/produce.ts";
import { encodeRecords, type Outgoing } from "../../bridge/kafka/records.ts";
import { Random } from "../../hw-sim/random.ts";
import { MESSAGES } from "./outgoing.ts";

// kafkajs's own encoder of a request is the reference for ours.
const require = createRequire(import.meta.url);
const kafkajs = require("kafkajs") as {
  CompressionTypes: { ZSTD: number; None: number };
  CompressionCodecs: Record<number, () => { compress(encoder: { buffer: Buffer }): Promise<Buffer> }>;
};
const reference = require("kafkajs/src/protocol/requests/produce") as ProduceModule & { versions: readonly string[] };
const kafkajsSum = require("kafkajs/src/protocol/recordBatch/crc32C") as (bytes: Buffer) => number;
const createRequest = require("kafkajs/src/protocol/request") as (options: object) => Promise<Encoded>;
const { ZSTD, None } = kafkajs.CompressionTypes;

kafkajs.CompressionCodecs[ZSTD] = () => ({ compress: async ({ buffer }) => zstdCompressSync(buffer) });
const ours: ProduceModule = { protocol: (options) => reference.protocol(options) };
writeBatches(
  ours,
  new Map([[ZSTD, (messages: readonly Outgoing[]) => zstdCompressSync(encodeRecords(messages, false))]]),
);

function args(messages: readonly unknown[], more: Partial<ProduceArgs> = {}): ProduceArgs {
  const partitions = [{ partition: 13, firstSequence: 2_000_000_017, messages }];
  return {
    ...{ acks: -1, timeout: 30_000, transactionalId: "ü.bridge.13", producerId: "9007199254740993", producerEpoch: 5 },
    ...{ compression: ZSTD, topicData: [{ topic: "busbar.telemetry", partitions }] },
    ...more,
  };
}

async function requestOf(by: ProduceModule, version: string, of: ProduceArgs): Promise<Buffer> {
  const { request } = by.protocol({ version })(of);
  return (await createRequest({ correlationId: 7, clientId: "test", request })).buffer;
}

test("the request of a batch is that which kafkajs makes of its messages, byte by byte, in every version", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_795_226_000_123 });
  const versions = reference.versions.filter((version) => Number(version) >= 3);
  assert.ok(versions.includes("7"));
  for (const version of versions) {
    for (const real of [MESSAGES, MESSAGES.slice(0, 1), Array.from({ length: 300 }, () => MESSAGES[0] as Outgoing)]) {
      for (const more of [{}, { transactionalId: undefined, producerId: -1, producerEpoch: 0, acks: 1 }]) {
        const [batch, plain] = [new Batch(real, 13), real.map((message) => ({ ...message }))];
        const expected = await requestOf(reference, version, args(plain, more));
        assert.deepEqual(await requestOf(ours, version, args(batch, more)), expected);
        // As often as it asks.
        assert.deepEqual(await requestOf(ours, version, args(batch, more)), expected);
      }
    }
  }
});

test("what comes later than at once is waited for", async () => {
  const slow: ProduceModule = { protocol: (options) => reference.protocol(options) };
  writeBatches(
    slow,
    new Map([[ZSTD, async (messages: readonly Outgoing[]) => zstdCompressSync(encodeRecords(messages))]]),
  );
  const made = await Promise.all(
    [MESSAGES, MESSAGES.slice(3)].map((real) =>
      slow
        .protocol({ version: 7 })(args(new Batch(real, 13)))
        .request.encode(),
    ),
  );
  assert.ok(made.every(({ buf, buffer }) => buf === buffer));
  assert.ok((made[0]?.buffer.length ?? 0) > (made[1]?.buffer.length ?? 0));
});

test("other messages are left to kafkajs", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_795_226_000_123 });
  const plain = MESSAGES.map((message) => ({ ...message }));
  for (const more of [{}, { compression: None }]) {
    assert.deepEqual(await requestOf(ours, "7", args(plain, more)), await requestOf(reference, "7", args(plain, more)));
  }
});

test("a batch never goes out as what kafkajs would make of it: messages without content", async () => {
  for (const compression of [ZSTD, None]) {
    const past = reference.protocol({ version: 7 })(args(new Batch(MESSAGES, 13), { compression }));
    await assert.rejects(past.request.encode(), TypeError);
  }
  const make = ours.protocol({ version: 7 });
  const batch = new Batch(MESSAGES, 13);
  const wrong = [
    args([...batch]),
    args([{ key: "k", value: "v" }, ...batch]),
    args(batch.filter(() => true)),
    args(batch, { compression: None }),
    args(batch, { topicData: [...args(batch).topicData, ...args(batch).topicData] }),
  ];
  for (const one of wrong) assert.throws(() => make(one), /messages without content/);
});

test("kafkajs's grouping by partition finds one group, without copying it message by message", () => {
  const group = require("kafkajs/src/producer/groupMessagesPerPartition") as (input: object) => Record<string, unknown>;
  const batch = new Batch(MESSAGES, 5);
  const partitioner = (): number => {
    throw new Error("asked for each message");
  };
  const grouped = group({ topic: "t", partitionMetadata: [{}], messages: batch, partitioner });
  assert.deepEqual(Object.keys(grouped), ["5"]);
  assert.equal(grouped["5"], batch);
});

test("CRC-32C is that of RFC 3720 and of kafkajs, whatever the length and the place", () => {
  assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
  const random = new Random(Date.now() % 1_000_000, "crc");
  const bytes = Buffer.from(Array.from({ length: 300 }, () => Math.floor(256 * random.next())));
  for (let length = 0; length <= 64; length++) {
    const from = length % 9;
    const part = bytes.subarray(length, length + from + length);
    assert.equal(crc32c(part, from), kafkajsSum(part.subarray(from)));
  }
  assert.equal(crc32c(bytes), kafkajsSum(bytes));
});
