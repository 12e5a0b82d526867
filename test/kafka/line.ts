/** A bridge, its MQTT server and one who publishes as gateways do, on topics of their own in a Kafka that tests share. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync, type MqttClient } from "mqtt";
import { uplinkPrefix } from "../../core/topics.ts";
import type { KafkaCluster } from "../../hw-sim/kafka/cluster.ts";
import { type Broker, type MosquittoOptions, startMosquitto } from "../support/broker.ts";
import { until } from "../support/wait.ts";
import { BridgeProcess, type BridgeUnderTest } from "./bridge-process.ts";
import { committed, type Seen, uncommitted } from "./kcat.ts";

export interface LineOptions extends Partial<Pick<BridgeUnderTest, "bridge" | "mqtt" | "kafka">> {
  readonly cluster: KafkaCluster;
  readonly name: string;
  /** Mosquitto's own. */
  readonly mosquitto?: readonly string[];
  /** Whom Mosquitto takes; default: anybody. */
  readonly user?: MosquittoOptions["user"];
}

export interface Line extends AsyncDisposable {
  readonly bridge: BridgeProcess;
  readonly broker: Broker;
  readonly publisher: MqttClient;
  /** Publishes at QoS 1 under the gateway's topics; resolves with the server's acknowledgement. */
  publish(gateway: string, tail: string, payload: Buffer | string, retain?: boolean): Promise<void>;
  /** What a committed reader sees of `<name>.<topic>`. */
  read(topic: string): Promise<Seen[]>;
  /** How many records stand in the log, those of aborted transactions too. */
  uncommitted(topic: string): Promise<number>;
  /** Resolves with it when it is so many. */
  arrived(topic: string, count: number): Promise<Seen[]>;
  /** The bridge works on all partitions. */
  ready(): Promise<void>;
}

const LIMIT_MS = 60_000;

export async function startLine({
  cluster,
  name,
  mosquitto = [],
  bridge = {},
  user,
  ...more
}: LineOptions): Promise<Line> {
  await using opened = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), "busbar-line-"));
  opened.defer(() => rmSync(dir, { recursive: true, force: true }));
  const broker = opened.use(
    await startMosquitto({
      maxInflight: 2000,
      record: false,
      extra: mosquitto,
      ...(user === undefined ? {} : { user }),
    }),
  );
  const { brokers } = cluster;
  const process = new BridgeProcess({
    dir,
    id: "a",
    mqttUrl: broker.url,
    brokers,
    bridge: { group: name, ...bridge },
    ...(more.mqtt === undefined ? {} : { mqtt: more.mqtt }),
    kafka: { topic_prefix: name, partitions: 4, ...more.kafka },
  });
  opened.use(process);
  const publisher = await connectAsync(broker.url, {
    protocolVersion: 5,
    reconnectPeriod: 200,
    ...(user === undefined ? {} : { username: user.name, password: user.password }),
  });
  publisher.on("error", () => undefined);
  opened.defer(() => publisher.endAsync(true));
  const read = (topic: string): Promise<Seen[]> => committed(brokers, `${name}.${topic}`);
  const all = opened.move();
  return {
    bridge: process,
    broker,
    publisher,
    publish: async (gateway, tail, payload, retain = false) => {
      await publisher.publishAsync(`${uplinkPrefix(gateway)}/${tail}`, payload, { qos: 1, retain });
    },
    read,
    uncommitted: async (topic) => (await uncommitted(brokers, `${name}.${topic}`)).length,
    arrived: async (topic, count) => {
      let seen: Seen[] = [];
      const there = async (): Promise<boolean> => {
        seen = await read(topic);
        return seen.length >= count;
      };
      await until(`${count} records in ${name}.${topic}`, there, LIMIT_MS).catch((error: Error) => {
        throw new Error(`${error.message}; there are ${seen.length}; ${process.stderr.slice(-1500)}`);
      });
      return seen;
    },
    ready: async () => {
      await until("the bridge works on all partitions", () => works(process), LIMIT_MS).catch((error: Error) => {
        throw new Error(`${error.message}; ${process.stderr.slice(-1500)}`);
      });
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

async function works(bridge: BridgeProcess): Promise<boolean> {
  const health = await bridge.health();
  return health?.status === "ok" && health.owned.length === 4;
}
