/** Before when whatever Kafka has deleted of a partition was written. Pure. */
import type { Horizon } from "./judge.ts";
import type { AuditedTopic } from "./tally.ts";

export interface PartitionState {
  readonly topic: AuditedTopic;
  readonly partition: number;
  /** Of the first record that Kafka still has: what was before has been deleted. */
  readonly low: number;
  /** Behind the last committed record at the start. */
  readonly end: number;
  /** The next to read. */
  next: number;
  /** When Kafka got the first record that it still has, milliseconds since 1970. */
  firstAt: number | undefined;
}

/** How long each topic keeps records, in milliseconds; undefined where that is no matter of time alone. */
export type Retention = ReadonlyMap<AuditedTopic, number | undefined>;

/**
 * Before the first record that is still there. That says little where records are rare, and nothing where none is left:
 * Kafka deletes no record before its time, so it was also written before the retention time began.
 */
export function horizonOf(states: readonly PartitionState[], retention: Retention, nowMs: number): Horizon {
  const horizons = new Map<string, number>();
  for (const { topic, partition, low, firstAt } of states) {
    if (low === 0) continue;
    const keepMs = retention.get(topic) ?? 0;
    horizons.set(`${topic} ${partition}`, Math.min(firstAt ?? nowMs, nowMs - keepMs));
  }
  return (topic, partition) => horizons.get(`${topic} ${partition}`);
}

/** From a topic's settings; undefined where its size, too, ends a record's time, or nothing does. */
export function retentionMs(settings: ReadonlyMap<string, string>): number | undefined {
  const time = Number(settings.get("retention.ms") ?? -1);
  const size = Number(settings.get("retention.bytes") ?? -1);
  return time >= 0 && size < 0 && settings.get("cleanup.policy") === "delete" ? time : undefined;
}
