/** What a consumer of committed records sees, for the demo: counts of each topic and what of each stream is there. */
import { Collector } from "../bridge/audit/collect.ts";
import { judge, type StreamVerdict } from "../bridge/audit/judge.ts";
import { AUDITED, type AuditedTopic, Tally } from "../bridge/audit/tally.ts";
import type { BridgeConfig } from "../bridge/config.ts";
import { createKafka } from "../bridge/kafka/client.ts";
import { topicName } from "../bridge/topics.ts";
import type { Logger } from "../core/log.ts";

export interface Arrivals {
  readonly records: number;
  /** Of the newest record: key and when Kafka got it, milliseconds since 1970. */
  readonly key: string;
  readonly at: number;
}

export interface Reader extends AsyncDisposable {
  arrivals(): ReadonlyMap<AuditedTopic, Arrivals>;
  streams(): readonly StreamVerdict[];
}

/** Of the topics as the bridge made them: begin when one is at work. */
export async function startReader({ kafka: config }: BridgeConfig, log: Logger): Promise<Reader> {
  const kafka = await createKafka(config, { clientId: "busbar-demo", log });
  const consumer = kafka.consumer({ groupId: `busbar-demo-${process.pid}`, maxWaitTimeInMs: 500 });
  const tally = new Tally();
  const collector = new Collector(tally, undefined);
  const arrivals = new Map<AuditedTopic, Arrivals>();
  const next = new Map<string, number>();
  const topics = new Map(AUDITED.map((topic) => [topicName(config.topic_prefix, topic), topic]));
  await consumer.connect();
  await consumer.subscribe({ topics: [...topics.keys()], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ topic: name, partition, message }) => {
      const topic = topics.get(name);
      const offset = Number(message.offset);
      // A group that had to join again reads from the start.
      if (topic === undefined || offset < (next.get(`${topic} ${partition}`) ?? 0)) return;
      next.set(`${topic} ${partition}`, offset + 1);
      const { value, headers = {}, key } = message;
      const at = Number(message.timestamp);
      collector.take({ topic, partition, offset, value, headers, at });
      const records = (arrivals.get(topic)?.records ?? 0) + 1;
      arrivals.set(topic, { records, key: String(key), at });
    },
  });
  return {
    arrivals: () => arrivals,
    streams: () => [...judge(tally, () => undefined)],
    [Symbol.asyncDispose]: () => consumer.disconnect(),
  };
}
