/**
 * What anybody would write with mqtt.js and kafkajs: at least once, no more. One persistent session at QoS 1; messages are
 * gathered and sent to Kafka in batches, and acknowledged when Kafka has them. Each payload is the Kafka value as it came,
 * keyed by gateway and asset: nothing is unpacked or checked, nothing dropped that came twice, nothing fenced.
 * With `--output same` it writes what the bridge writes: plain JSON, seven headers, zstd.
 */
import { parseArgs } from "node:util";
import { CompressionTypes, type Message } from "../../bridge/kafka/client.ts";
import { recordHeaders } from "../../bridge/topics.ts";
import { type BusbarRecord, plainRecord } from "../../core/record.ts";
import { kafkaClient } from "./kafka.ts";
import { PersistentSession } from "./plain-session.ts";

/** So many that what a request costs hardly counts, and no more, for kafkajs copies lists of messages again and again. */
const MOST = 500;
/** Both as the bridge's. */
const AGE_MS = 100;
const WINDOW = 2000;

const { values } = parseArgs({
  options: {
    url: { type: "string", default: "" },
    brokers: { type: "string", default: "" },
    topic: { type: "string", default: "" },
    output: { type: "string", default: "raw" },
  },
});
const { url, topic, brokers } = values;
const kafka = await kafkaClient(brokers.split(","), "plain");
const producer = kafka.producer({ allowAutoTopicCreation: false });
await producer.connect();
const compression = values.output === "same" ? CompressionTypes.ZSTD : CompressionTypes.None;
const session = await PersistentSession.open({ url, clientId: "plain", filter: "busbar/v1/#", window: WINDOW });
process.send?.("ready");

for (;;) {
  const batch = await session.batch({ most: MOST, ageMs: AGE_MS });
  const messages = batch.map(({ topic: from, payload }) => messageOf(from, payload));
  await producer.send({ topic, messages, acks: -1, compression });
  for (const { ack } of batch) ack();
}

function messageOf(from: string, payload: Buffer): Message {
  const [, , , gateway = "", kind, asset] = from.split("/");
  const key = asset === undefined ? gateway : `${gateway}/${asset}`;
  if (values.output !== "same" || kind !== "data") return { key, value: payload };
  const plain = plainRecord(payload);
  return { key, value: plain, headers: recordHeaders(JSON.parse(plain.toString()) as BusbarRecord) };
}
