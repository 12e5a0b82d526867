/** What Prometheus reads; names begin with `busbar_bridge_`. The only file that knows prom-client. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { PlanCounts } from "./plan.ts";

/** What a partition tells when it is asked. */
export interface PartitionGauges {
  readonly waiting: number;
  readonly waitingBytes: number;
  /** Seconds. */
  readonly oldestAge: number;
  readonly open: boolean;
  readonly connected: boolean;
}

const PARTITION = ["partition"] as const;
const head = (name: string): string => `busbar_bridge_${name}`;

export class Metrics {
  readonly #registry = new Registry();
  readonly #counters = {
    records: this.#counter("records_total", "Records written to Kafka and committed"),
    duplicates: this.#counter("duplicates_total", "Records dropped because Kafka has them"),
    batches: this.#counter("batches_total", "Transactions committed"),
    fences: this.#counter("fenced_total", "Times that another instance took the partition over while this one wrote"),
    opens: this.#counter("opens_total", "Times that the partition was opened"),
    failures: this.#counter("failures_total", "Transactions and openings that failed"),
    connects: this.#counter("mqtt_connects_total", "MQTT connections"),
    sessionsLost: this.#counter("mqtt_sessions_new_total", "MQTT connections for which the server had kept no session"),
    receipts: this.#counter("receipts_total", "Receipts that the MQTT server took"),
  };
  readonly #dead = new Counter({
    name: head("dead_letters_total"),
    help: "Messages written to the dead-letter topic",
    labelNames: [...PARTITION, "reason"],
    registers: [this.#registry],
  });
  readonly #batchRecords = this.#histogram(
    "batch_messages",
    "Messages per transaction",
    [1, 3, 10, 30, 100, 300, 1000, 3000],
  );
  readonly #batchBytes = this.#histogram(
    "batch_bytes",
    "Bytes per transaction, as they arrived",
    [1e3, 1e4, 3e4, 1e5, 3e5, 1e6, 3e6, 1e7],
  );
  readonly #commitSeconds = this.#histogram(
    "commit_seconds",
    "Time of a transaction",
    [0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30],
  );
  readonly #lag = this.#gauge("lag_seconds", "Age of the latest record at its commit, by its own time");
  readonly #owned = new Gauge({
    name: head("partitions_owned"),
    help: "Partitions that this instance works on",
    registers: [this.#registry],
  });
  readonly #partitions = new Map<number, () => PartitionGauges>();

  constructor() {
    const read = (name: string, help: string, value: (gauges: PartitionGauges) => number): void => {
      const partitions = this.#partitions;
      new Gauge({
        name: head(name),
        help,
        labelNames: PARTITION,
        registers: [this.#registry],
        collect() {
          this.reset();
          for (const [partition, gauges] of partitions) this.set({ partition }, value(gauges()));
        },
      });
    };
    read("unacknowledged_messages", "Messages that Kafka does not have yet", ({ waiting }) => waiting);
    read("unacknowledged_bytes", "Bytes that Kafka does not have yet", ({ waitingBytes }) => waitingBytes);
    read("oldest_unacknowledged_seconds", "Age of the oldest message that Kafka does not have", (g) => g.oldestAge);
    read("partition_open", "1 when the partition can be written", ({ open }) => Number(open));
    read("mqtt_connected", "1 when the partition's MQTT session is connected", ({ connected }) => Number(connected));
    collectDefaultMetrics({ register: this.#registry });
  }

  /** The counters of one partition; `gauges` is asked at every scrape until `gone`. */
  partition(partition: number, gauges: () => PartitionGauges): PartitionMetrics {
    this.#partitions.set(partition, gauges);
    this.#owned.set(this.#partitions.size);
    const labels = { partition };
    const counters = this.#counters;
    return {
      opened: () => counters.opens.inc(labels),
      failed: (fenced) => {
        counters.failures.inc(labels);
        if (fenced) counters.fences.inc(labels);
      },
      connected: (kept) => {
        counters.connects.inc(labels);
        if (!kept) counters.sessionsLost.inc(labels);
      },
      receipt: () => counters.receipts.inc(labels),
      committed: (counts, batch) => {
        counters.batches.inc(labels);
        counters.records.inc(labels, counts.records);
        counters.duplicates.inc(labels, counts.duplicates);
        for (const [reason, n] of Object.entries(counts.dead)) this.#dead.inc({ partition, reason }, n);
        this.#batchRecords.observe(batch.messages);
        this.#batchBytes.observe(batch.bytes);
        this.#commitSeconds.observe(batch.seconds);
        if (counts.latestMs > 0) this.#lag.set(labels, (Date.now() - counts.latestMs) / 1000);
      },
      gone: () => {
        this.#partitions.delete(partition);
        this.#owned.set(this.#partitions.size);
        this.#lag.remove(labels);
      },
    };
  }

  /** The text that Prometheus scrapes, and its type. */
  async text(): Promise<{ readonly type: string; readonly body: string }> {
    return { type: this.#registry.contentType, body: await this.#registry.metrics() };
  }

  #counter(name: string, help: string): Counter<"partition"> {
    return new Counter({ name: head(name), help, labelNames: PARTITION, registers: [this.#registry] });
  }

  #gauge(name: string, help: string): Gauge<"partition"> {
    return new Gauge({ name: head(name), help, labelNames: PARTITION, registers: [this.#registry] });
  }

  #histogram(name: string, help: string, buckets: number[]): Histogram {
    return new Histogram({ name: head(name), help, buckets, registers: [this.#registry] });
  }
}

export interface PartitionMetrics {
  opened(): void;
  failed(fenced: boolean): void;
  connected(sessionKept: boolean): void;
  receipt(): void;
  committed(counts: PlanCounts, batch: { messages: number; bytes: number; seconds: number }): void;
  gone(): void;
}
