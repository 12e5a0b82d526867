/**
 * Busbar's topics as a reader of committed records sees them, from a point in time to their ends and, if wanted, on and
 * on. The reader keeps its place itself: after a restart it begins at the same point in time and builds its state anew.
 */
import { createHash, randomUUID } from "node:crypto";
import { promisify } from "node:util";
import { type ZstdOptions, zstdCompress, zstdDecompress } from "node:zlib";
// biome-ignore lint/correctness/noUnresolvedImports: kafkajs is CommonJS, and Node finds only some of its names.
import kafkajs, { type Admin, type Consumer } from "kafkajs";

/** By Kafka's own time, milliseconds since 1970: when the record got there. */
export interface Range {
  /** Absent: all that Kafka still has. */
  readonly from?: number;
  /** Absent: on and on. */
  readonly to?: number;
}

export interface Message {
  readonly topic: string;
  readonly key: string;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, unknown>>;
}

export interface ReadOptions {
  readonly brokers: readonly string[];
  readonly topics: ReadonlyMap<string, Range>;
  /** Everything of a gateway is in one partition of each topic; absent: all gateways. */
  readonly gateway?: string | undefined;
  /** Must not throw. */
  take(message: Message): void;
  /** The reading ended by itself: begin anew, with an empty state. */
  failed(error: Error): void;
}

export interface Reading extends AsyncDisposable {
  /** Resolves when all that was there at the start has been taken. */
  readonly caughtUp: Promise<void>;
}

interface Place {
  readonly topic: string;
  readonly partition: number;
  /** Behind the last one that was there at the start. */
  readonly end: number;
  /** Where the range ends; Infinity: it goes on. */
  readonly stop: number;
  next: number;
}

/** A consumer that lost its broker joins again as another member, and first waits so long for itself. */
const SESSION_MS = 10_000;
const RETRY = { retries: 8, maxRetryTime: 2000 };
/** kafkajs brings gzip; the bridge writes zstd. */
const zstd = promisify<Buffer, ZstdOptions, Buffer>(zstdCompress);
kafkajs.CompressionCodecs[kafkajs.CompressionTypes.ZSTD] = () => ({
  compress: ({ buffer }: { buffer: Buffer }) => zstd(buffer, {}),
  decompress: promisify<Buffer, Buffer>(zstdDecompress),
});
/** kafkajs means "now" by a negative time-out; Node warns of it. */
const emitWarning = process.emitWarning.bind(process) as (...args: unknown[]) => void;
process.emitWarning = (...args: unknown[]): void => {
  if (args[1] !== "TimeoutNegativeWarning") emitWarning(...args);
};

/** Throws when Kafka does not answer, or a topic is not there. */
export async function startReading(options: ReadOptions): Promise<Reading> {
  const kafka = new kafkajs.Kafka({
    clientId: "busbar-example",
    brokers: [...options.brokers],
    retry: RETRY,
    logLevel: kafkajs.logLevel.NOTHING,
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    const places = await findPlaces(admin, options);
    // kafkajs has no reader without a group. This one is nobody else's, and nothing is stored in it.
    const groupId = `busbar-example-${randomUUID()}`;
    const consumer = kafka.consumer({ groupId, sessionTimeout: SESSION_MS, maxWaitTimeInMs: 200 });
    return await follow(consumer, places, options);
  } finally {
    await admin.disconnect();
  }
}

/** `slot mod P`; the slot is the first byte of SHA-256 of the gateway's id. */
export function partitionOf(gateway: string, partitions: number): number {
  return createHash("sha256").update(gateway).digest().readUInt8(0) % partitions;
}

async function findPlaces(admin: Admin, { topics, gateway }: ReadOptions): Promise<Place[]> {
  const there = await admin.listTopics();
  const lacking = [...topics.keys()].filter((topic) => !there.includes(topic));
  if (lacking.length > 0) throw new Error(`no topic ${lacking.join(", ")}; check --prefix, and that a bridge has run`);
  const found = [...topics].map(async ([topic, { from, to }]) => {
    const ends = await admin.fetchTopicOffsets(topic);
    const starts = from === undefined ? [] : await admin.fetchTopicOffsetsByTimestamp(topic, from);
    const stops = to === undefined ? [] : await admin.fetchTopicOffsetsByTimestamp(topic, to);
    const offsetIn = (all: { partition: number; offset: string }[], at: number): string | undefined =>
      all.find(({ partition }) => partition === at)?.offset;
    return ends
      .filter(({ partition }) => gateway === undefined || partition === partitionOf(gateway, ends.length))
      .map(({ partition, low, high }): Place => {
        const stop = Number(offsetIn(stops, partition) ?? Infinity);
        const next = Number(offsetIn(starts, partition) ?? low);
        return { topic, partition, end: Math.min(Number(high), stop), stop, next };
      });
  });
  return (await Promise.all(found)).flat();
}

async function follow(consumer: Consumer, places: readonly Place[], options: ReadOptions): Promise<Reading> {
  const placeOf = (topic: string, partition: number): Place | undefined =>
    places.find((place) => place.topic === topic && place.partition === partition);
  const { promise: caughtUp, resolve: tellCaughtUp, reject } = Promise.withResolvers<void>();
  // Whoever does not wait for it is told by `failed`.
  caughtUp.catch(() => undefined);
  const reached = (place: Place, next: number): void => {
    place.next = Math.max(place.next, next);
    if (places.every((one) => one.next >= one.end)) tellCaughtUp();
  };
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    for (const [topic, partitions] of Object.entries(payload.memberAssignment)) {
      for (const partition of partitions as number[]) {
        const place = placeOf(topic, partition);
        if (place === undefined) consumer.pause([{ topic, partitions: [partition] }]);
        else consumer.seek({ topic, partition, offset: String(place.next) });
      }
    }
  });
  // Of batches in which nothing is committed only these events tell.
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
    const place = placeOf(payload.topic, payload.partition);
    if (place !== undefined) reached(place, Number(payload.lastOffset) + 1);
  });
  consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
    if (restart) return;
    reject(error);
    options.failed(error);
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [...options.topics.keys()], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch: { topic, partition, messages } }) => {
      const place = placeOf(topic, partition);
      if (place === undefined) return;
      for (const { offset, key, value, headers = {} } of messages) {
        const isWanted = Number(offset) >= place.next && Number(offset) < place.stop;
        if (isWanted) options.take({ topic, key: String(key), value, headers });
        reached(place, Number(offset) + 1);
      }
    },
  });
  for (const place of places) reached(place, 0);
  return { caughtUp, [Symbol.asyncDispose]: () => consumer.disconnect() };
}
