/**
 * The link between gateway and broker: tells every record that passes, holds acknowledgements back for a while (so that
 * records are on their way when the power goes), and is down at times.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { type BusbarRecord, parseRecord, plainRecord } from "../../core/record.ts";
import type { Random } from "../../hw-sim/random.ts";
import { type MqttPacket, mqttPackets } from "./mqtt-packets.ts";
import type { Order } from "./order.ts";

const RECORD_TOPIC = /^busbar\/v1\/[0-9a-f]{2}\/[^/]+\/(data|event|session|gap|time)(\/|$)/;
const MOST_DELAY_MS = 150;

export class RecordTap {
  readonly #brokerPort: number;
  readonly #order: Order;
  readonly #random: Random;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #up = true;

  constructor(brokerPort: number, order: Order, random: Random) {
    this.#brokerPort = brokerPort;
    this.#order = order;
    this.#random = random;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** The port it listens on. */
  async listen(): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("no port for the tap");
    return address.port;
  }

  /** Down: connections end and new ones are ended at once. */
  set up(up: boolean) {
    this.#up = up;
    if (!up) for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.up = false;
    await closed;
  }

  #accept(gateway: Socket): void {
    if (!this.#up) {
      gateway.destroy();
      return;
    }
    const broker = connect(this.#brokerPort, "127.0.0.1");
    for (const [socket, other] of [
      [gateway, broker],
      [broker, gateway],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    const waiting = new Map<number, string>();
    const fromGateway = mqttPackets();
    gateway.on("data", (chunk: Buffer) => {
      for (const packet of fromGateway(chunk)) this.#noteRecord(packet, waiting);
      broker.write(chunk);
    });
    this.#delayed(broker, gateway, waiting);
  }

  #noteRecord({ type, topic = "", packetId, payload }: MqttPacket, waiting: Map<number, string>): void {
    if (type !== "publish" || packetId === undefined || payload === undefined || !RECORD_TOPIC.test(topic)) return;
    const plain = plainRecord(payload);
    const record = parseRecord(plain);
    const id = idOf(record);
    waiting.set(packetId, id);
    this.#order.note({ kind: "sent", id, sum: sumOf(plain), numbers: numbersIn(record) });
  }

  #delayed(broker: Socket, gateway: Socket, waiting: Map<number, string>): void {
    const fromBroker = mqttPackets();
    let lastAtMs = 0;
    broker.on("data", (chunk: Buffer) => {
      const nowMs = performance.now();
      lastAtMs = Math.max(lastAtMs, nowMs + this.#random.between(0, MOST_DELAY_MS));
      setTimeout(() => {
        if (gateway.destroyed) return;
        for (const { type, packetId = 0 } of fromBroker(chunk)) {
          const id = type === "puback" || type === "pubcomp" ? waiting.get(packetId) : undefined;
          if (id === undefined) continue;
          waiting.delete(packetId);
          this.#order.note({ kind: "acked", id });
        }
        gateway.write(chunk);
      }, lastAtMs - nowMs);
    });
  }
}

/** Epoch, stream and number. */
export function idOf({ epoch, c, seq }: Pick<BusbarRecord, "epoch" | "c" | "seq">): string {
  return `${epoch} ${c} ${seq}`;
}

export function sumOf(plain: Uint8Array): string {
  return createHash("sha256").update(plain).digest("base64");
}

/** What the workload put into it: whole numbers of samples, or an event's `n`. */
export function numbersIn({ g = [], event }: BusbarRecord): number[] {
  const values = g.flatMap(({ s }) => Object.values(s).flat());
  return [...values, event?.n].filter((value) => typeof value === "number");
}
