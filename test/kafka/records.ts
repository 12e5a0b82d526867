/** Records with chosen identities, made from the contract's examples, and a producer that writes them as it is told. */
import { crc32 } from "node:zlib";
import { type BridgeConfig, bridgeConfig } from "../../bridge/config.ts";
import { type Admin, createKafka, type Kafka, type Message, type Producer } from "../../bridge/kafka/client.ts";
import { Logger } from "../../core/log.ts";
import { contract } from "../support/contracts.ts";

export interface Identity {
  readonly gw?: string;
  readonly epoch?: string;
  readonly seq: number;
}

/** A `data` record of stream t (or b). */
export function dataRecord({ c = "t", ...identity }: Identity & { readonly c?: "t" | "b" }): Message {
  return sealed("record-data.json", { ...identity, c });
}

export function eventRecord(identity: Identity): Message {
  return sealed("record-event.json", { ...identity, c: "c" });
}

/** A `gap` record; `gap` says what differs from the example's. */
export function gapRecord(identity: Identity, gap: Readonly<Record<string, unknown>>): Message {
  const example = JSON.parse(contract("record-gap.json").toString()) as { gap: object };
  return sealed("record-gap.json", { ...identity, c: "c", gap: { ...example.gap, ...gap } });
}

/** As the bridge writes it: the headers' names and the key's form are the documented ones, spelt out once more. */
function sealed(file: string, changes: Identity & { readonly c: string; readonly gap?: object }): Message {
  const { crc, ...record } = { ...JSON.parse(contract(file).toString()), ...changes } as Record<string, unknown>;
  const body = JSON.stringify(record).slice(0, -1);
  const sum = crc32(body).toString(16).padStart(String(crc).length, "0");
  const { gw, asset, epoch, c, seq, t0 } = record;
  return {
    key: asset === undefined ? String(gw) : `${gw}/${asset}`,
    value: `${body},"crc":"${sum}"}`,
    headers: {
      gateway: String(gw),
      epoch: String(epoch),
      stream: String(c),
      seq: String(seq),
      event_time: String(t0),
      content_type: "application/json",
      version: "1",
    },
  };
}

export interface Writer extends AsyncDisposable {
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly producer: Producer;
}

/** The bridge's settings for these brokers, as its file would give them. */
export function bridgeSettings(brokers: readonly string[], kafka: object = {}): BridgeConfig {
  return bridgeConfig.parse({
    version: 1,
    bridge: { id: "test" },
    mqtt: { url: "mqtt://127.0.0.1:1" },
    kafka: { brokers, ...kafka },
  });
}

/** With `transactionalId` its producer can open transactions. */
export async function openWriter(brokers: readonly string[], transactionalId?: string): Promise<Writer> {
  const log = new Logger("test", () => undefined);
  const kafka = await createKafka(bridgeSettings(brokers).kafka, { clientId: "test", log });
  const admin = kafka.admin();
  const fenced = transactionalId === undefined ? {} : { transactionalId, maxInFlightRequests: 1, idempotent: true };
  const producer = kafka.producer({ allowAutoTopicCreation: false, ...fenced });
  await Promise.all([admin.connect(), producer.connect()]);
  return {
    kafka,
    admin,
    producer,
    async [Symbol.asyncDispose]() {
      await Promise.all([admin.disconnect(), producer.disconnect()]);
    },
  };
}
