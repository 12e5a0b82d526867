/** Configuration of the outbox (`store`) and of the uplink. */
import { z } from "zod";
import { duration, size } from "../core/schema.ts";

const qos = z.literal([1, 2]);

export const storeConfig = z.strictObject({
  path: z
    .string()
    .min(1)
    .default("/var/lib/busbar/outbox.db")
    .meta({ description: "The outbox, a SQLite file; its folder holds all state of the gateway" }),
  max_size: size("16 MiB", "16 TiB")
    .default(2 * 1024 ** 3)
    .meta({ description: "Budget of the outbox on disk" }),
  min_free: size("0 B", "1 TiB")
    .default(128 * 1024 ** 2)
    .meta({
      description: "Floor of free space on the volume; below it the outbox does not grow",
    }),
  commit_interval: duration("50 ms", "60 s").default(1000).meta({
    description: "How often samples are committed: what a power cut can cost",
  }),
  when_full: z.enum(["drop_oldest"]).default("drop_oldest").meta({
    description: "drop_oldest: the oldest records of the lowest stream go first, and a gap record says so",
  }),
});

const publishQos = z.strictObject({
  critical: qos.default(2).meta({ description: "Events, sessions, gaps, time" }),
  telemetry: qos.default(1).meta({ description: "Samples" }),
});

export const uplinkConfig = z.strictObject({
  url: z
    .url({
      protocol: /^(mqtts?|wss?)$/,
      error: "is no server address; allowed: mqtt://, mqtts://, ws:// or wss://host:port",
    })
    .meta({ description: "The cloud's MQTT server: mqtt://, mqtts://, ws:// or wss://" }),
  protocol: z.enum(["auto", "5", "3.1.1"]).default("auto").meta({
    description: "MQTT version; auto: 5, and 3.1.1 for a server that refuses 5",
  }),
  username: z.string().min(1).optional().meta({ description: "MQTT user name" }),
  password_file: z.string().min(1).optional().meta({ description: "File whose first line is the password" }),
  ca_file: z
    .string()
    .min(1)
    .optional()
    .meta({ description: "PEM file of the authorities to trust; default: Node's own" }),
  cert_file: z.string().min(1).optional().meta({ description: "PEM file of the client certificate" }),
  key_file: z.string().min(1).optional().meta({ description: "PEM file of the client certificate's key" }),
  qos: publishQos.default({ critical: 2, telemetry: 1 }).meta({ description: "MQTT quality of service" }),
  publish_interval: duration("250 ms", "1 h").default(10_000).meta({ description: "Age at which a record is sealed" }),
  window: z.int().min(1).max(65_535).default(100).meta({ description: "Most publishes that await an acknowledgement" }),
  keepalive: duration("5 s", "10 min").default(30_000).meta({ description: "MQTT keep alive" }),
});

export type StoreConfig = z.output<typeof storeConfig>;
export type UplinkConfig = z.output<typeof uplinkConfig>;
