/** Kafka as all processes of this benchmark reach it. */
import { bridgeConfig, type KafkaConfig } from "../../bridge/config.ts";
import { createKafka, type Kafka } from "../../bridge/kafka/client.ts";
import { Logger } from "../../core/log.ts";

export const PARTITIONS = 16;

export async function kafkaClient(brokers: readonly string[], clientId: string): Promise<Kafka> {
  return await createKafka(settings(brokers), { clientId, log: new Logger(clientId, () => {}) });
}

/** What the bridge takes for its defaults. */
function settings(brokers: readonly string[]): KafkaConfig {
  const here = { bridge: { id: "bench" }, mqtt: { url: "mqtt://127.0.0.1:1" } };
  return bridgeConfig.parse({ version: 1, ...here, kafka: { brokers, partitions: PARTITIONS } }).kafka;
}
