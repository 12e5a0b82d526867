/**
 * The bridge's MQTT connection, packet by packet: the only file of the bridge that knows an MQTT library. mqtt.js handles
 * one publish after the other and holds everything behind one that is not acknowledged, keep-alive included; here a
 * PUBACK goes out when Kafka has the record, so packets are read one by one and acknowledged by hand.
 * (It also costs a small part of the CPU: mqtt.js alone receives 86k publishes per CPU-second.)
 */
import type { Duplex } from "node:stream";
import { generate, type IConnackPacket, type IPublishPacket, type Packet, parser } from "mqtt-packet";
import type { TlsMaterial } from "../secrets.ts";
import { openLink } from "./link.ts";
import { PacketReader } from "./packet-reader.ts";

export type { IConnackPacket, ISubackPacket, Packet } from "mqtt-packet";
export type ProtocolLevel = 4 | 5;

export interface WireEvents {
  /** What it goes over is up. */
  onReached(): void;
  /** A publish; `messageId` is undefined at QoS 0. Topic and payload are views of what was read. */
  onPublish(topic: string, payload: Buffer, messageId: number | undefined): void;
  /** Any other packet. */
  onPacket(packet: Packet): void;
  /** Called once; undefined when the other side closed without a word. */
  onGone(error: Error | undefined): void;
}

/** Packet type 4, remaining length 2. */
const PUBACK = 0x4002;
const PUBACK_BYTES = 4;

export class Wire {
  readonly #level: ProtocolLevel;
  readonly #link: Duplex;
  readonly #reader: PacketReader;
  #gone = false;
  #pending: Buffer[] = [];

  constructor(url: URL, level: ProtocolLevel, options: { tls: TlsMaterial; events: WireEvents }) {
    const { tls, events } = options;
    this.#level = level;
    this.#link = openLink(url, tls, () => events.onReached());
    const others = parser({ protocolVersion: level });
    others.on("packet", (packet) => {
      if (this.#gone) return;
      if (packet.cmd === "publish") events.onPublish(packet.topic, payloadOf(packet), idOf(packet));
      else events.onPacket(packet);
    });
    others.on("error", (error: Error) => this.#end(events, error));
    this.#reader = new PacketReader(level === 5, {
      publish: (topic, payload, messageId) => {
        if (!this.#gone) events.onPublish(topic, payload, messageId);
      },
      other: (packet) => others.parse(packet),
    });
    this.#link.on("data", (chunk) => this.#read(chunk, events));
    this.#link.on("error", (error) => this.#end(events, error));
    this.#link.on("close", () => this.#end(events, undefined));
  }

  send(packet: Packet): void {
    this.#write(generate(packet, { protocolVersion: this.#level }));
  }

  /** PUBACK for each: without a reason code, success, which both versions write alike (MQTT 5, 3.4.2.1). */
  acknowledge(messageIds: readonly number[]): void {
    const bytes = Buffer.allocUnsafe(PUBACK_BYTES * messageIds.length);
    let at = 0;
    for (const id of messageIds) at = bytes.writeUInt16BE(id, bytes.writeUInt16BE(PUBACK, at));
    this.#write(bytes);
  }

  /** Nothing is read until `resume`. */
  pause(): void {
    this.#link.pause();
  }

  resume(): void {
    this.#link.resume();
  }

  /** Sends what waits and closes. */
  end(): void {
    this.#flush();
    this.#link.end();
  }

  destroy(): void {
    this.#link.destroy();
  }

  #read(chunk: Buffer, events: WireEvents): void {
    try {
      this.#reader.read(chunk);
    } catch (error) {
      this.#end(events, error as Error);
    }
  }

  /** What is written in one turn of the event loop leaves together. */
  #write(bytes: Buffer): void {
    if (this.#gone) return;
    if (this.#pending.length === 0) setImmediate(() => this.#flush());
    this.#pending.push(bytes);
  }

  #flush(): void {
    if (this.#pending.length === 0 || this.#gone) return;
    this.#link.write(this.#pending.length === 1 ? (this.#pending[0] as Buffer) : Buffer.concat(this.#pending));
    this.#pending = [];
  }

  #end(events: WireEvents, error: Error | undefined): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#link.destroy();
    events.onGone(error);
  }
}

/** The reason code of a CONNACK, whatever the version. */
export function connackCode(packet: IConnackPacket): number {
  return packet.reasonCode ?? packet.returnCode ?? 0;
}

/** mqtt-packet types it for senders, too. */
function payloadOf(packet: IPublishPacket): Buffer {
  return packet.payload as Buffer;
}

function idOf({ qos, messageId }: IPublishPacket): number | undefined {
  return qos === 0 ? undefined : messageId;
}
