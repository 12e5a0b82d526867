/** A real Kafka for a test file: `await using kafka = await startKafka({ nodes: 1 })`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type KafkaCluster, type KafkaClusterOptions, startCluster } from "../../hw-sim/kafka/cluster.ts";
import { whatKafkaMisses } from "../../hw-sim/kafka/parts.ts";

/** Why tests with Kafka are skipped, or false. */
export const NO_KAFKA: string | false = whatKafkaMisses() ?? false;

/** In a temporary folder, on free ports; it ends, and its data with it, when it is disposed of or this process dies. */
export async function startKafka(options: Omit<KafkaClusterOptions, "dir" | "port">): Promise<KafkaCluster> {
  const dir = mkdtempSync(join(tmpdir(), "busbar-kafka-"));
  const remove = (): void => rmSync(dir, { recursive: true, force: true });
  try {
    const cluster = await startCluster({ ...options, dir });
    return {
      ...cluster,
      async [Symbol.asyncDispose]() {
        await cluster[Symbol.asyncDispose]();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}
