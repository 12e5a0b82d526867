/**
 * The Produce request of one topic's messages, written by ourselves into one buffer. kafkajs makes a buffer for each part
 * of it, each with a copy of the one before, twice as large as it need be and filled with zeros: seven copies of a batch,
 * for which the collector runs. It is given a Batch, of which it needs the number of messages, and asks us for the bytes.
 *
 * Produce Request (Version: 3 to 7) => transactional_id acks timeout [topic [partition record_set]], and in record_set a
 * RecordBatch of magic 2 (KIP-98).
 */
import { crc32c } from "./crc32c.ts";
import type { Outgoing } from "./records.ts";

/** What kafkajs gives for one; of ours one topic and one partition. */
export interface ProduceArgs {
  readonly acks: number;
  /** Milliseconds. */
  readonly timeout: number;
  /** Kafka's number of it. */
  readonly compression: number;
  readonly transactionalId?: string | null | undefined;
  readonly producerId: string | number | bigint;
  readonly producerEpoch: number;
  readonly topicData: readonly {
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly firstSequence: number;
      readonly messages: readonly unknown[];
    }[];
  }[];
}

/** A buffer as kafkajs takes it: it looks at the first and copies the second. */
export interface Encoded {
  readonly buf: Buffer;
  readonly buffer: Buffer;
}

export type Encode = () => Promise<Encoded>;

interface Protocol {
  readonly request: { readonly encode: Encode };
  readonly response: unknown;
}

/** kafkajs's module for Produce requests: what it makes of a request's content, by version. */
export interface ProduceModule {
  protocol(options: { readonly version: number | string }): (args: ProduceArgs) => Protocol;
}

/** The records as they stand in the batch. What comes at once may lie in memory that the next call writes to. */
export type Pack = (messages: readonly Outgoing[]) => Buffer | Promise<Buffer>;

/** What kafkajs can count, and its own encoder refuses: if it ever went that way, nothing would be written. */
const NOT_TO_BE_WRITTEN: unknown = Symbol("written by the bridge itself");

class Blank {
  readonly key = null;
  readonly value = NOT_TO_BE_WRITTEN as null;
  readonly partition: number;

  constructor(partition: number) {
    this.partition = partition;
  }
}

/** What kafkajs is given in place of `real`. */
export class Batch extends Array<Blank> {
  readonly real: readonly Outgoing[];

  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }

  constructor(real: readonly Outgoing[], partition: number) {
    super(real.length);
    this.real = real;
    this.fill(new Blank(partition));
  }

  /**
   * kafkajs groups messages by partition with `reduce`, copying the group for each message: half a million copies for a
   * thousand. These are all of one partition.
   */
  override reduce<R>(_add: unknown, groups?: R): R {
    return { ...groups, [this[0]?.partition ?? 0]: this } as R;
  }
}

/** Magic 2: what stands before the checksum, and with it before the records. */
const CRC_AT = 17;
const SUMMED_AT = CRC_AT + 4;
const BATCH_BYTES = 61;
const MAGIC = 2;
const TRANSACTIONAL = 16;
/** The fields of the request before the batch, but for both names. */
const FIXED_BYTES = 26;

/** From now on kafkajs's requests of a Batch are written here; of any other messages, by itself. */
export function writeBatches(produce: ProduceModule, packs: ReadonlyMap<number, Pack>): void {
  const protocol = produce.protocol.bind(produce);
  produce.protocol = (options) => {
    const make = protocol(options);
    return (args) => {
      const { request, response } = make(args);
      const parts = args.topicData.flatMap(({ partitions }) => partitions);
      if (!parts.some(({ messages }) => messages.some((message) => message instanceof Blank)))
        return { request, response };
      const [one] = parts;
      const pack = packs.get(args.compression);
      if (parts.length !== 1 || !(one?.messages instanceof Batch) || pack === undefined) {
        throw new Error("kafkajs: messages without content must not be sent; report it with the version of kafkajs");
      }
      const { real } = one.messages;
      return { request: { ...request, encode: () => encodeProduce(args, real, pack) }, response };
    };
  };
}

async function encodeProduce(args: ProduceArgs, real: readonly Outgoing[], pack: Pack): Promise<Encoded> {
  const packed = pack(real);
  const records = packed instanceof Buffer ? packed : await packed;
  const [{ topic, partitions: [part] = [] } = { topic: "" }] = args.topicData;
  const { partition = 0, firstSequence = 0 } = part ?? {};
  const names = Buffer.byteLength(topic) + Buffer.byteLength(args.transactionalId ?? "");
  const bytes = Buffer.allocUnsafe(FIXED_BYTES + names + BATCH_BYTES + records.length);
  let at = writeName(bytes, 0, args.transactionalId);
  at = bytes.writeInt16BE(args.acks, at);
  at = bytes.writeInt32BE(args.timeout, at);
  at = bytes.writeInt32BE(1, at);
  at = writeName(bytes, at, topic);
  at = bytes.writeInt32BE(1, at);
  at = bytes.writeInt32BE(partition, at);
  at = bytes.writeInt32BE(BATCH_BYTES + records.length, at);
  writeBatch(bytes.subarray(at), records, { ...args, firstSequence, count: real.length });
  return { buf: bytes, buffer: bytes };
}

/** A string with its length of two bytes before it. */
function writeName(bytes: Buffer, at: number, text: string | null | undefined): number {
  if (text === null || text === undefined) return bytes.writeInt16BE(-1, at);
  return at + 2 + bytes.write(text, bytes.writeInt16BE(Buffer.byteLength(text), at));
}

type BatchFacts = Pick<ProduceArgs, "compression" | "transactionalId" | "producerId" | "producerEpoch"> & {
  readonly firstSequence: number;
  readonly count: number;
};

function writeBatch(out: Buffer, records: Buffer, facts: BatchFacts): void {
  const now = BigInt(Date.now());
  const inTransaction = typeof facts.transactionalId === "string" ? TRANSACTIONAL : 0;
  let at = out.writeBigInt64BE(0n, 0);
  at = out.writeInt32BE(out.length - 12, at);
  at = out.writeInt32BE(0, at);
  at = out.writeInt8(MAGIC, at);
  at = out.writeInt16BE(facts.compression | inTransaction, SUMMED_AT);
  at = out.writeInt32BE(facts.count - 1, at);
  at = out.writeBigInt64BE(now, at);
  at = out.writeBigInt64BE(now, at);
  at = out.writeBigInt64BE(BigInt(facts.producerId), at);
  at = out.writeInt16BE(facts.producerEpoch, at);
  at = out.writeInt32BE(facts.firstSequence, at);
  at = out.writeInt32BE(facts.count, at);
  out.set(records, at);
  out.writeUInt32BE(crc32c(out, SUMMED_AT), CRC_AT);
}
