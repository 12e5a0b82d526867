/**
 * What a reader of committed records sees, in a process of its own: every identity counted once, and how old its record
 * was when it came. `--brokers`, `--topics`; the parent asks by topic and is answered.
 */
import { parseArgs } from "node:util";
import type { KafkaMessage } from "../../bridge/kafka/client.ts";
import { plainRecord } from "../../core/record.ts";
import { kafkaClient } from "./kafka.ts";

export interface Question {
  readonly topic: string;
  /** What came until now is forgotten for latency; counts go on. */
  readonly mark: boolean;
}

export interface Answer {
  /** Different identities since the start. */
  readonly unique: number;
  readonly doubled: number;
  /** Milliseconds from the record's stamp to here, since the last mark. */
  readonly latenciesMs: Float64Array;
}

interface Seen {
  unique: number;
  doubled: number;
  latenciesMs: number[];
  /** By gateway: which seqs came. */
  readonly came: Map<string, Uint8Array>;
}

const HEAD = /"gw":"([^"]+)".*?"seq":(\d+).*?"t0":(\d+)/;
const FIRST_ROOM = 4096;

const { values } = parseArgs({
  options: { brokers: { type: "string", default: "" }, topics: { type: "string", default: "" } },
});
const topics = values.topics.split(",");
const all = new Map<string, Seen>(topics.map((topic) => [topic, nothing()]));

const kafka = await kafkaClient(values.brokers.split(","), "bench-reader");
const consumer = kafka.consumer({ groupId: "bench-reader", readUncommitted: false, maxWaitTimeInMs: 100 });
await consumer.connect();
await consumer.subscribe({ topics, fromBeginning: true });
consumer.on("consumer.group_join", () => process.send?.("ready"));
await consumer.run({
  eachBatch: async ({ batch: { topic, messages } }) => {
    const now = Date.now();
    const seen = all.get(topic);
    if (seen !== undefined) for (const message of messages) take(seen, message, now);
  },
});

process.on("message", ({ topic, mark }: Question) => {
  const seen = all.get(topic) ?? nothing();
  if (mark) seen.latenciesMs = [];
  const { unique, doubled, latenciesMs } = seen;
  process.send?.({ unique, doubled, latenciesMs: Float64Array.from(latenciesMs) } satisfies Answer);
});

function take(seen: Seen, { key, value }: KafkaMessage, nowMs: number): void {
  // Births and states of the plain loop have keys without an asset.
  if (value === null || key?.includes("/") !== true) return;
  const [, gateway = "", seqText = "", stamp = ""] = HEAD.exec(plainRecord(value).toString("latin1", 0, 400)) ?? [];
  const seq = Number(seqText);
  let came = seen.came.get(gateway) ?? new Uint8Array(FIRST_ROOM);
  if (seq >= came.length) {
    const larger = new Uint8Array(2 * seq);
    larger.set(came);
    came = larger;
  }
  seen.came.set(gateway, came);
  if (came[seq] === 1) {
    seen.doubled++;
    return;
  }
  came[seq] = 1;
  seen.unique++;
  seen.latenciesMs.push(nowMs - Number(stamp));
}

function nothing(): Seen {
  return { unique: 0, doubled: 0, latenciesMs: [], came: new Map() };
}
