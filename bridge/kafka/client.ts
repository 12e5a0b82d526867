/**
 * The only file that loads kafkajs: everything else works with the object made here. kafkajs 2.2.4 as it is published,
 * public calls only; its hazards and what is done about each stand in docs/BRIDGE.md.
 */

import { setTimeout as delay } from "node:timers/promises";
import type { ConnectionOptions } from "node:tls";
import { promisify } from "node:util";
import { gunzip, gzip, type ZstdOptions, constants as zlib, zstdCompress, zstdDecompress } from "node:zlib";
// biome-ignore lint/correctness/noUnresolvedImports: kafkajs is CommonJS, and Node finds only some of its names.
import kafkajs, {
  type Kafka,
  type KafkaConfig as KafkaJsConfig,
  type LogEntry,
  type RetryOptions,
  type SASLOptions,
} from "kafkajs";
import type { Logger } from "../../core/log.ts";
import { ZstdFrames } from "../../core/zstd-frames.ts";
import type { KafkaConfig } from "../config.ts";
import { readPassword, readTls } from "../secrets.ts";
import { realRecords } from "./records.ts";

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

/** Up to here a context and a thread's turn for each batch cost more than compressing it at once does. */
const SMALL_BYTES = 64 * 1024;

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
  // Level 1: a third of the CPU of the default for a tenth more bytes.
  const quick = { params: { [zlib.ZSTD_c_compressionLevel]: 1 } };
  const frames = new ZstdFrames(quick);
  const zstd = promisify<Buffer, ZstdOptions, Buffer>(zstdCompress);
  const compress = async (bytes: Buffer) => (bytes.length > SMALL_BYTES ? zstd(bytes, quick) : frames.compress(bytes));
  setCodec(CompressionTypes.ZSTD, compress, promisify<Buffer, Buffer>(zstdDecompress));
  setCodec(CompressionTypes.GZIP, promisify<Buffer, Buffer>(gzip), promisify<Buffer, Buffer>(gunzip));
  withoutTimeoutWarning();
}

type Work = (bytes: Buffer) => Promise<Buffer>;

/** zstd is not in kafkajs; both write the real records where a batch stands for them. */
function setCodec(type: keyof typeof kafkajs.CompressionCodecs, compress: Work, decompress: Work): void {
  kafkajs.CompressionCodecs[type] = () => ({
    compress: ({ buffer }: { buffer: Buffer }) => compress(realRecords(buffer)),
    decompress,
  });
}

/**
 * kafkajs schedules the check of its request queue with a negative time-out, which means "now" and which Node 24 warns
 * about once: harmless, and nothing that an operator could do.
 */
function withoutTimeoutWarning(): void {
  const emitWarning = process.emitWarning.bind(process) as (...args: unknown[]) => void;
  process.emitWarning = (...args: unknown[]): void => {
    if (args[1] !== "TimeoutNegativeWarning") emitWarning(...args);
  };
}
