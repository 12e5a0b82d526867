/** Apache Kafka on the loopback interface, of one node or of three. */
import { freePort } from "../free-port.ts";
import { KafkaNode, type KafkaUser, type NodePorts } from "./node.ts";
import { provideKafka } from "./parts.ts";

export interface KafkaClusterOptions {
  readonly nodes: 1 | 3;
  /** Where its data and its logs (`node-1.log`, …) go; what an earlier cluster left there is used on. */
  readonly dir: string;
  /** Of the first node's clients, if it is free. */
  readonly port?: number;
  /** Kafka's own, beside or instead of the ones in node.ts. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Who may log in by SCRAM, where the settings ask for it. */
  readonly users?: readonly KafkaUser[];
}

/** Nodes are numbered from 1, which is their `node.id`. */
export interface KafkaCluster extends AsyncDisposable {
  /** `127.0.0.1:<port>` of every node. */
  readonly brokers: readonly string[];
  /** SIGKILL, SIGTERM (an ordered stop), SIGSTOP, SIGCONT; resolves when an ending signal has ended it. */
  kill(node: number, signal: NodeJS.Signals): Promise<void>;
  /** After its end: on the same port, with what it kept. Resolves when it serves clients again. */
  restart(node: number): Promise<void>;
  /** The last lines of all logs. */
  logTail(): string;
}

/** Resolves when all nodes serve clients. Throws, with the log's tail, when one does not. */
export async function startCluster({
  nodes,
  dir,
  port,
  settings = {},
  users = [],
}: KafkaClusterOptions): Promise<KafkaCluster> {
  const parts = await provideKafka();
  const ports: NodePorts[] = [];
  for (let i = 0; i < nodes; i++) {
    ports.push({ client: await freePort(i === 0 ? port : undefined), controller: await freePort() });
  }
  const members = ports.map((_, i) => new KafkaNode({ id: i + 1, dir, ports, settings, users, parts }));
  const member = (node: number): KafkaNode => {
    const found = members[node - 1];
    if (found === undefined) throw new Error(`no Kafka node ${node}, they are 1 to ${nodes}`);
    return found;
  };
  const end = async (): Promise<void> => {
    await Promise.all(members.map((one) => one.signal("SIGKILL")));
  };
  const started = await Promise.allSettled(members.map((one) => one.start()));
  const failed = started.find((one) => one.status === "rejected");
  if (failed !== undefined) {
    await end();
    throw failed.reason;
  }
  return {
    brokers: members.map(({ address }) => address),
    kill: (node, signal) => member(node).signal(signal),
    restart: (node) => member(node).start(),
    logTail: () => members.map((one, i) => `node ${i + 1}:\n${one.logTail()}`).join("\n"),
    [Symbol.asyncDispose]: end,
  };
}
