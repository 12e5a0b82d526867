/**
 * The bridge's MQTT connection, packet by packet: the only file of the bridge that knows an MQTT library. mqtt.js handles
 * one publish after the other and holds everything behind one that is not acknowledged, keep-alive included; here a
 * PUBACK goes out when Kafka has the record, so packets are read with mqtt.js's own parser and acknowledged by hand.
 * (It also costs a tenth of the CPU: 900k against 86k publishes per CPU-second.)
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { generate, type IConnackPacket, type IPublishPacket, type Packet, type Parser, parser } from "mqtt-packet";
import type { TlsMaterial } from "../secrets.ts";

export type { IConnackPacket, IPublishPacket, ISubackPacket, Packet } from "mqtt-packet";
export type ProtocolLevel = 4 | 5;

export interface WireEvents {
  /** TCP, and TLS where there is one, is up. */
  onReached(): void;
  onPacket(packet: Packet): void;
  /** Called once; undefined when the other side closed without a word. */
  onGone(error: Error | undefined): void;
}

/** Packet type 4, remaining length 2. */
const PUBACK = 0x4002;
const PUBACK_BYTES = 4;

export class Wire {
  readonly #level: ProtocolLevel;
  readonly #socket: Socket;
  readonly #parser: Parser;
  #gone = false;
  #pending: Buffer[] = [];

  constructor(url: URL, level: ProtocolLevel, options: { tls: TlsMaterial; events: WireEvents }) {
    const { tls, events } = options;
    this.#level = level;
    const secure = url.protocol === "mqtts:";
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const port = Number(url.port || (secure ? 8883 : 1883));
    this.#socket = secure ? connectTls({ host, port, servername: host, ...tls }) : connectTcp({ host, port });
    this.#socket.setNoDelay(true);
    this.#socket.once(secure ? "secureConnect" : "connect", () => events.onReached());
    this.#parser = parser({ protocolVersion: level });
    this.#parser.on("packet", (packet) => {
      if (!this.#gone) events.onPacket(packet);
    });
    this.#parser.on("error", (error: Error) => this.#end(events, error));
    this.#socket.on("data", (chunk) => this.#read(chunk, events));
    this.#socket.on("error", (error) => this.#end(events, error));
    this.#socket.on("close", () => this.#end(events, undefined));
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
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Sends what waits and closes. */
  end(): void {
    this.#flush();
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer, events: WireEvents): void {
    try {
      this.#parser.parse(chunk);
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
    this.#socket.write(this.#pending.length === 1 ? (this.#pending[0] as Buffer) : Buffer.concat(this.#pending));
    this.#pending = [];
  }

  #end(events: WireEvents, error: Error | undefined): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#socket.destroy();
    events.onGone(error);
  }
}

/** The reason code of a CONNACK, whatever the version. */
export function connackCode(packet: IConnackPacket): number {
  return packet.reasonCode ?? packet.returnCode ?? 0;
}

/** A publish's payload; mqtt-packet types it for senders, too. */
export function payloadOf(packet: IPublishPacket): Buffer {
  return packet.payload as Buffer;
}
