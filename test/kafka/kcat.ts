/** A foreign consumer: what a committed reader of Kafka sees, told by Debian's kcat. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export interface Seen {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string;
}

/** JSON has neither tabs nor line ends. */
const FORMAT = "%p\t%o\t%k\t%h\t%s\n";
const LIMIT_MS = 120_000;

/** Every committed record of a topic, from its start to its present end, in the order of each partition. */
export async function committed(brokers: readonly string[], topic: string): Promise<Seen[]> {
  return await readTopic(brokers, topic, "read_committed");
}

/** What stands in the log, aborted transactions too. */
export async function uncommitted(brokers: readonly string[], topic: string): Promise<Seen[]> {
  return await readTopic(brokers, topic, "read_uncommitted");
}

async function readTopic(brokers: readonly string[], topic: string, isolation: string): Promise<Seen[]> {
  const args = ["-C", "-b", brokers.join(","), "-t", topic, "-o", "beginning", "-e", "-q"];
  const format = ["-X", `isolation.level=${isolation}`, "-f", FORMAT];
  const child = spawn("kcat", [...args, ...format], { stdio: ["ignore", "pipe", "pipe"], timeout: LIMIT_MS });
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  const closed = once(child, "close");
  const seen: Seen[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const [partition, offset, key = "", headers = "", value = ""] = line.split("\t");
    const pairs = headers.split(",").map((pair) => pair.split("=", 2) as [string, string]);
    seen.push({ partition: Number(partition), offset: Number(offset), key, headers: Object.fromEntries(pairs), value });
  }
  const [code] = (await closed) as [number | null];
  if (code !== 0) throw new Error(`kcat ${topic}: exit code ${code}: ${complaint.slice(-1000)}`);
  return seen;
}

/** How often each (gateway, epoch, stream, seq) is there. */
export function identities(seen: readonly Seen[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { headers } of seen) {
    const identity = `${headers.gateway} ${headers.epoch} ${headers.stream} ${headers.seq}`;
    counts.set(identity, (counts.get(identity) ?? 0) + 1);
  }
  return counts;
}
