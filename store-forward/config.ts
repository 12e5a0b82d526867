/** Configuration of the outbox (`store`) and of the uplink. */
import { z } from "zod";
import { duration, filePath, LOGIN_FILES, serverUrl, size } from "../core/schema.ts";

const qos = z.literal([1, 2]);

export const storeConfig = z.strictObject({
  path: filePath
    .default("/var/lib/busbar/outbox.db")
    .meta({ description: "The outbox, a SQLite file; its folder holds all state of the gateway" }),
  max_size: size("16 MiB", "16 TiB").prefault("2 GiB").meta({ description: "Budget of the outbox on disk" }),
  min_free: size("0 B", "1 TiB").prefault("128 MiB").meta({
    description: "Floor of free space on the volume; below it the outbox does not grow",
  }),
  commit_interval: duration("50 ms", "60 s").prefault("1 s").meta({
    description: "How often samples are committed: what a power cut can cost",
  }),
  daily_writes: size("1 MiB", "16 TiB").optional().meta({
    description:
      "Bytes that the gateway should write to disk per day (UTC) at most; to keep it, samples are committed less often, up to once a minute, and nothing is dropped. Unset: no limit",
  }),
  when_full: z.enum(["drop_oldest"]).default("drop_oldest").meta({
    description: "drop_oldest: the oldest records of the lowest stream go first, and a gap record says so",
  }),
  expire_after: duration("1 min", "3650 d").optional().meta({
    description:
      "Age at which samples that the cloud does not have are dropped, told by a gap record; critical records stay. Unset: never",
  }),
});

const publishQos = z.strictObject({
  critical: qos.default(2).meta({ description: "Events, sessions, gaps, time" }),
  telemetry: qos.default(1).meta({ description: "Samples" }),
});

const rateLimit = z.strictObject({
  messages: z.int().min(1).max(1_000_000).optional().meta({ description: "Records per second" }),
  bytes: size("100 B", "1 GiB").optional().meta({ description: "Bytes of records per second, with their topics" }),
});

const now = z.strictObject({
  when: z.enum(["backlog", "always", "never"]).default("backlog").meta({
    description:
      "backlog: while records wait longer than three publish intervals; always; never. Never over a metered link",
  }),
  interval: duration("1 s", "1 h").prefault("1 s").meta({ description: "How often values are published then" }),
});

export const uplinkConfig = z
  .strictObject({
    url: serverUrl().meta({ description: "The cloud's MQTT server; user name and password stand elsewhere" }),
    protocol: z.literal(["auto", "5", "3.1.1"]).default("auto").meta({
      description: "MQTT version; auto: 5, and 3.1.1 for a server that refuses 5",
    }),
    username: z.string().min(1).optional().meta({ description: "MQTT user name" }),
    password_file: filePath.optional().meta({ description: "File whose first line is the password" }),
    ca_file: filePath.optional().meta({ description: "PEM file of the authorities to trust; default: Node's own" }),
    cert_file: filePath.optional().meta({ description: "PEM file of the client certificate" }),
    key_file: filePath.optional().meta({ description: "PEM file of the client certificate's key" }),
    qos: publishQos.prefault({}).meta({ description: "MQTT quality of service" }),
    publish_interval: duration("250 ms", "1 h")
      .optional()
      .meta({ description: "Age at which a record is sealed; default: 10 s, over a metered link 60 s" }),
    window: z
      .int()
      .min(1)
      .max(65_535)
      .default(100)
      .meta({ description: "Most publishes that await an acknowledgement" }),
    prune_on: z.enum(["puback", "receipt"]).default("puback").meta({
      description:
        "puback: a record leaves the outbox when the server acknowledged it. receipt: when the cloud says that Kafka has it; without a receipt it is sent again after five minutes",
    }),
    link: z.enum(["unmetered", "metered"]).default("unmetered").meta({
      description:
        "metered: records are packed tighter (BZ1 frames) and sealed every 60 s, bulk stays in the outbox, now/ is off",
    }),
    rate_limit: rateLimit.optional().meta({
      description: "Most that telemetry and bulk send; critical records count but never wait. Default: no limit",
    }),
    now: now.prefault({}).meta({ description: "Latest values under now/<asset>, for dashboards" }),
    keepalive: duration("5 s", "10 min").prefault("30 s").meta({ description: "MQTT keep alive" }),
  })
  .meta({ dependentRequired: LOGIN_FILES });

export type StoreConfig = z.output<typeof storeConfig>;
export type UplinkConfig = z.output<typeof uplinkConfig>;

const PUBLISH_INTERVAL_MS = { unmetered: 10_000, metered: 60_000 } as const;

/** Age at which a record is sealed. What a metered link carries is paid for: fewer and larger records cost less. */
export function publishIntervalMs({ publish_interval, link }: UplinkConfig): number {
  return publish_interval ?? PUBLISH_INTERVAL_MS[link];
}
