/**
 * The only file that loads kafkajs: everything else works with the object made here. kafkajs 2.2.4 as it is published,
 * by its public calls; two of its methods are replaced, and its Produce requests are written by us. Its hazards and what is
 * done about each stand in docs/BRIDGE.md.
 */

import { setTimeout as delay } from "node:timers/promises";
import type { ConnectionOptions } from "node:tls";
import { promisify } from "node:util";
import { gzip, constants as zlib, zstdDecompress } from "node:zlib";
// biome-ignore lint/correctness/noUnresolvedImports: kafkajs is CommonJS, and Node finds only some of its names.
import kafkajs, {
  type Kafka,
  type KafkaConfig as KafkaJsConfig,
  type LogEntry,
  type RetryOptions,
  type SASLOptions,
} from "kafkajs";
import Cluster from "kafkajs/src/cluster/index.js";
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";
import produceRequests from "kafkajs/src/protocol/requests/produce/index.js";
import type { Logger } from "../../core/log.ts";
import { ZstdFrames } from "../../core/zstd-frames.ts";
import type { KafkaConfig } from "../config.ts";
import { readPassword, readTls } from "../secrets.ts";
import { keepCoordinators } from "./coordinators.ts";
import { type Pack, writeBatches } from "./produce.ts";
import { encodeRecords } from "./records.ts";

export type {
  Admin,
  Assigner,
  Consumer,
  EachBatchPayload,
  GroupMember,
  GroupMemberAssignment,
  Kafka,
  KafkaMessage,
  Message,
  Producer,
  RecordMetadata,
  TopicMessages,
  Transaction,
} from "kafkajs";
export const { AssignerProtocol, CompressionTypes, Partitioners } = kafkajs;

const CONNECT_TIMEOUT_MS = 5000;
/** kafkajs sends a request that timed out to the same broker again, up to `retries` times, also when that one hangs. */
const REQUEST_TIMEOUT_MS = 5000;
const LEAVE_WAIT_MS = 3000;
/** With kafkajs's own 300 ms, back-to-back transactions wait for each other (20k instead of 38k messages per second). */
const RETRY: RetryOptions = { initialRetryTime: 5, factor: 0.2, multiplier: 2, maxRetryTime: 1000, retries: 10 };

/** Nearly all batches are smaller. */
const USUAL_BYTES = 2 * 1024 ** 2;

export interface ClientOptions {
  /** Names this process in the broker's logs and quotas. */
  readonly clientId: string;
  readonly log: Logger;
  readonly retry?: RetryOptions;
}

/** A client for the configured cluster; connects nothing. Throws BusbarError CONFIG_UNREADABLE for a secret's file. */
export async function createKafka(config: KafkaConfig, options: ClientOptions): Promise<Kafka> {
  prepareOnce();
  return new kafkajs.Kafka({
    clientId: options.clientId,
    // From the first of a list it would begin anew each time, also where that one hangs.
    brokers: () => shuffled(config.brokers),
    connectionTimeout: CONNECT_TIMEOUT_MS,
    authenticationTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: { ...RETRY, ...options.retry },
    logLevel: kafkajs.logLevel.INFO,
    logCreator: () => (entry) => writeLog(options.log, entry),
    ...security(config),
  });
}

/** Disconnects; a broker that hangs is not waited for. Never rejects. */
export async function leave(client: { disconnect(): Promise<void> }): Promise<void> {
  await Promise.race([client.disconnect().catch(() => {}), delay(LEAVE_WAIT_MS, undefined, { ref: false })]);
}

function shuffled(brokers: readonly string[]): string[] {
  const keyed = brokers.map((broker) => ({ broker, at: Math.random() }));
  return keyed.sort((a, b) => a.at - b.at).map(({ broker }) => broker);
}

/** kafkajs looks at these objects at each connection: what they ask for is read then. */
function security({ sasl, tls }: KafkaConfig): Pick<KafkaJsConfig, "ssl" | "sasl"> {
  return {
    ...(tls === undefined ? {} : { ssl: tlsNow(tls) }),
    ...(sasl === undefined ? {} : { sasl: loginNow(sasl) }),
  };
}

function tlsNow(files: NonNullable<KafkaConfig["tls"]>): ConnectionOptions {
  const now = () => readTls("kafka.tls", files);
  now();
  return Object.defineProperties(
    {},
    {
      ca: { enumerable: true, get: () => now().ca },
      cert: { enumerable: true, get: () => now().cert },
      key: { enumerable: true, get: () => now().key },
    },
  );
}

function loginNow({ mechanism, username, password_file: file }: NonNullable<KafkaConfig["sasl"]>): SASLOptions {
  const now = () => readPassword("kafka.sasl.password_file", file);
  now();
  // The union of kafkajs has one member per mechanism, which all look the same.
  return Object.defineProperty({ mechanism, username }, "password", { enumerable: true, get: now }) as SASLOptions;
}

/** kafkajs logs as errors what it then retries, and what it throws: whoever handles it logs it once. */
function writeLog(log: Logger, { namespace, log: { message, error } }: LogEntry): void {
  log.debug(message, { from: namespace, ...(typeof error === "string" ? { error } : {}) });
}

let prepared = false;

/** What kafkajs wants set for the whole process. */
function prepareOnce(): void {
  if (prepared) return;
  prepared = true;
  // Level 1: a third of the CPU of the default for a tenth more bytes. At once, in one kept context: a context and a
  // thread's turns for each batch cost half as much again.
  const frames = new ZstdFrames({ params: { [zlib.ZSTD_c_compressionLevel]: 1 } }, USUAL_BYTES);
  // kafkajs has none.
  kafkajs.CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async ({ buffer }: { buffer: Buffer }) => frames.compress(buffer),
    decompress: promisify<Buffer, Buffer>(zstdDecompress),
  });
  const gzipped = promisify<Buffer, Buffer>(gzip);
  const packs = new Map<number, Pack>([
    [CompressionTypes.ZSTD, (messages) => frames.view(encodeRecords(messages, false))],
    [CompressionTypes.GZIP, (messages) => gzipped(encodeRecords(messages, true))],
  ]);
  writeBatches(produceRequests, packs);
  keepCoordinators(Cluster.prototype, () => performance.now());
  withoutIdleChecks();
}

/**
 * kafkajs looks a thousand times a second, on each connection, whether a request waits that it held back: it takes the
 * end of a throttling that there is not for a time-out, of minus fifty years. It asks again whenever a request is answered
 * or held back; in between there is nothing to look for while none waits.
 */
function withoutIdleChecks(): void {
  const queue = RequestQueue.prototype;
  const { scheduleCheckPendingRequests: schedule } = queue;
  queue.scheduleCheckPendingRequests = function (): void {
    if (this.pending.length > 0) schedule.call(this);
  };
}
