import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import { bridgeConfig } from "../../bridge/config.ts";
import { createKafka } from "../../bridge/kafka/client.ts";
import { Batch, type ProduceModule } from "../../bridge/kafka/produce.ts";
import { Logger } from "../../core/log.ts";
import { MESSAGES } from "./outgoing.ts";

const require = createRequire(import.meta.url);

interface Queue {
  push(request: object): void;
  checkPendingRequests(): void;
  maybeThrottle(ms: number): void;
  destroy(): void;
}
const RequestQueue = require("kafkajs/src/network/requestQueue") as new (options: object) => Queue;
const { CompressionCodecs, CompressionTypes } = require("kafkajs") as {
  CompressionTypes: { GZIP: number; ZSTD: number };
  CompressionCodecs: Record<number, () => { compress(encoder: { buffer: Buffer }): Promise<Buffer> }>;
};

const { requests } = require("kafkajs/src/protocol/requests") as { requests: { Produce: ProduceModule } };

const { kafka } = bridgeConfig.parse({
  version: 1,
  bridge: { id: "test" },
  mqtt: { url: "mqtt://127.0.0.1:1" },
  kafka: { brokers: ["127.0.0.1:1"] },
});
await createKafka(kafka, { clientId: "test", log: new Logger("test", () => {}) });

function newQueue(): Queue {
  const logger = { debug: () => {} };
  return new RequestQueue({ maxInFlightRequests: 1, requestTimeout: 1000, clientId: "test", broker: "b", logger });
}

function request(correlationId: number, sendRequest: () => void): object {
  return { entry: { correlationId }, expectResponse: true, sendRequest };
}

test("a connection with no request held back sets no timer", (t) => {
  const set = t.mock.method(globalThis, "setTimeout");
  const queue = newQueue();
  queue.push(request(1, () => {}));
  queue.checkPendingRequests();
  assert.equal(set.mock.callCount(), 0);
});

test("a request that is held back for a throttling goes out when that is over", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const queue = newQueue();
  const sent: number[] = [];
  queue.maybeThrottle(500);
  queue.push(request(1, () => sent.push(1)));
  t.mock.timers.tick(499);
  assert.deepEqual(sent, []);
  t.mock.timers.tick(2);
  assert.deepEqual(sent, [1]);
  queue.destroy();
});

test("batches of any size are zstd frames that others read", async () => {
  const codec = CompressionCodecs[CompressionTypes.ZSTD]?.();
  for (const bytes of [10, 100_000, 2_000_000, 5_000_000, 20]) {
    const buffer = Buffer.from(`{"t0":${bytes},`.repeat(Math.ceil(bytes / 10)));
    const frame = await codec?.compress({ buffer });
    assert.deepEqual(zstdDecompressSync(frame ?? Buffer.alloc(0)), buffer);
  }
});

test("with either compression a batch is sent as kafkajs sends its messages, byte by byte", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_795_226_000_123 });
  const { GZIP, ZSTD } = CompressionTypes;
  for (const compression of [GZIP, ZSTD]) {
    const [ours, theirs] = await Promise.all(
      [new Batch(MESSAGES, 3), MESSAGES.map((message) => ({ ...message }))].map(async (messages) => {
        const { request } = requests.Produce.protocol({ version: 7 })({
          ...{ acks: -1, timeout: 30_000, compression, transactionalId: "t", producerId: "4", producerEpoch: 5 },
          topicData: [{ topic: "telemetry", partitions: [{ partition: 3, firstSequence: 17, messages }] }],
        });
        return (await request.encode()).buffer;
      }),
    );
    assert.deepEqual(ours, theirs);
  }
});
