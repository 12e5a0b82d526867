/** Configuration of the bridge: one YAML file in the gateway's style. */
import { z } from "zod";
import { duration, filePath, hostPort, LOGIN_FILES, serverUrl, size } from "../core/schema.ts";

const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const PARTITIONS = [1, 2, 4, 8, 16, 32, 64] as const;

const name = (what: string) => {
  const allowed = "1 to 64 of A-Z, a-z, 0-9, dot, _ and -";
  return z.string().regex(NAME, `is no ${what}; allowed: ${allowed}`).meta({ kind: "id", allowed });
};

const files = {
  ca_file: filePath.optional().meta({ description: "PEM file of the authorities to trust; default: Node's own" }),
  cert_file: filePath.optional().meta({ description: "PEM file of the client certificate" }),
  key_file: filePath.optional().meta({ description: "PEM file of the client certificate's key" }),
};
const passwordFile = filePath.meta({ description: "File whose first line is the password" });

const bridge = z.strictObject({
  id: name("bridge id").meta({ description: "Name of this instance, unique among those of the group" }),
  group: name("group").default("busbar-bridge").meta({
    description: "Instances with the same group share the work; also the Kafka group and the head of MQTT client ids",
  }),
  receipt_interval: duration("1 s", "10 min").prefault("30 s").meta({
    description: "A gateway gets a receipt at most this often",
  }),
  birth_wait: duration("1 s", "10 min").prefault("30 s").meta({
    description: "How long a record waits for a birth that it names; then it goes to the dead letters",
  }),
});

const mqtt = z
  .strictObject({
    url: serverUrl().meta({
      description: "The MQTT server that the gateways publish to; user name and password stand elsewhere",
    }),
    protocol: z.literal(["auto", "5", "3.1.1"]).default("auto").meta({
      description: "MQTT version; auto: 5, and 3.1.1 for a server that refuses 5",
    }),
    username: z.string().min(1).optional().meta({ description: "MQTT user name" }),
    password_file: passwordFile.optional(),
    ...files,
    session_expiry: duration("1 min", "365 d").prefault("3 d").meta({
      description: "How long the server keeps a session, and what waits in it, for a bridge that is away",
    }),
    window: z.int().min(10).max(65_535).default(2000).meta({
      description: "Most publishes per partition that the server sends without an acknowledgement (Receive Maximum)",
    }),
    keepalive: duration("5 s", "10 min").prefault("30 s").meta({ description: "MQTT keep alive" }),
  })
  .meta({ dependentRequired: LOGIN_FILES });

const address = hostPort.transform(({ host, port }) => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`));

const sasl = z.strictObject({
  mechanism: z.enum(["plain", "scram-sha-256", "scram-sha-512"]).meta({ description: "SASL mechanism" }),
  username: z.string().min(1).meta({ description: "Kafka user name" }),
  password_file: passwordFile,
});

const tls = z.strictObject(files).meta({ dependentRequired: { cert_file: ["key_file"], key_file: ["cert_file"] } });

const batch = z.strictObject({
  records: z.int().min(1).max(10_000).default(1000).meta({ description: "Most messages in one transaction" }),
  bytes: size("16 KiB", "8 MiB").prefault("512 KiB").meta({
    description: "Most bytes in one transaction before compression; the topics take a message more than this",
  }),
  age: duration("1 ms", "5 s").prefault("100 ms").meta({ description: "How long the first message waits for others" }),
});

const kafka = z.strictObject({
  brokers: z.array(address).min(1).meta({ description: "Addresses to find the cluster by, each host:port" }),
  sasl: sasl.optional().meta({ description: "Login; default: none" }),
  tls: tls.optional().meta({ description: "TLS; {} with the authorities that Node trusts; default: no TLS" }),
  topic_prefix: name("topic prefix").default("busbar").meta({
    description: "Head of the topics' names and of the transactional ids",
  }),
  partitions: z.literal(PARTITIONS).default(16).meta({
    description: "Partitions of each topic: the most instances that can share the work; fixed when they are created",
  }),
  values: z.enum(["record", "sample"]).default("record").meta({
    description:
      "What a Kafka record of busbar.telemetry holds. record: the gateway's record, byte by byte; sample: one sample each",
  }),
  compression: z.enum(["zstd", "gzip"]).default("zstd").meta({ description: "Compression of what is written" }),
  retention: duration("1 h", "3650 d").prefault("7 d").meta({
    description: "How long Kafka keeps telemetry, events, gaps and dead letters; used when the topics are created",
  }),
  session_timeout: duration("6 s", "60 s").prefault("6 s").meta({
    description: "Silence after which Kafka gives an instance's partitions to others",
  }),
  batch: batch.prefault({}).meta({ description: "Bounds of one transaction" }),
});

const http = z.strictObject({
  listen: hostPort.prefault("127.0.0.1:8067").meta({
    description: "Address of /healthz and /metrics; both are readable by whoever reaches it",
  }),
});

export const bridgeConfig = z.strictObject({
  version: z.literal(1).meta({ description: "Version of this file's format" }),
  bridge: bridge.meta({ description: "This instance" }),
  mqtt: mqtt.meta({ description: "Where records come from" }),
  kafka: kafka.meta({ description: "Where they go" }),
  http: http.prefault({}).meta({ description: "Health and metrics" }),
});

export type BridgeConfig = z.output<typeof bridgeConfig>;
export type KafkaConfig = BridgeConfig["kafka"];
export type MqttConfig = BridgeConfig["mqtt"];
