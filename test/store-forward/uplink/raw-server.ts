/** An MQTT server of hand-written bytes (OASIS MQTT 3.1.1 and 5.0), for what a real broker cannot be made to do. */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";

export interface Packet {
  /** High nibble of the first byte: 1 CONNECT, 3 PUBLISH, 6 PUBREL, 8 SUBSCRIBE, 14 DISCONNECT. */
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
}

export interface Publish {
  readonly topic: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly id: number;
  readonly payload: Buffer;
}

export interface RawOptions {
  /** Answer to CONNECT, as hex, also by the number of the connection, from 1 on; default: CONNACK without properties. */
  readonly connack?: string | ((connection: number) => string);
  /** Answer to a PUBLISH of QoS 1 or 2, as hex, or undefined for none; default: PUBACK or PUBREC, success. */
  readonly onPublish?: (publish: Publish, connection: RawConnection) => string | undefined;
  /** Answer to a PUBREL, as hex; default: PUBCOMP, success. */
  readonly onPubrel?: (id: number) => string;
  /** Return codes of SUBACK, as hex, one for each topic; default: QoS 1 for all. */
  readonly granted?: string;
  /** Raw bytes sent as soon as somebody connects, before any packet. */
  readonly greeting?: Buffer;
  /** After every CONNACK. */
  readonly onConnect?: (connection: RawConnection) => void;
  /** After every SUBACK. */
  readonly onSubscribe?: (connection: RawConnection) => void;
  /** No SUBACK comes. */
  readonly noSuback?: boolean;
  /** Nothing that comes is read or answered. */
  readonly deaf?: boolean;
  /** The socket is closed on CONNECT of MQTT 5. */
  readonly hangUpOn5?: boolean;
}

export const ACCEPTED_5 = "20 03 00 00 00";
export const ACCEPTED_311 = "20 02 00 00";

export class RawConnection {
  readonly socket: Socket;
  readonly packets: Packet[] = [];
  readonly publishes: Publish[] = [];
  level = 0;
  connect = Buffer.alloc(0);
  /** Topics by alias (MQTT 5 3.3.2.3.4). */
  readonly aliases = new Map<number, string>();
  #rest = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket;
  }

  send(hex: string): void {
    this.socket.write(Buffer.from(hex.replaceAll(" ", ""), "hex"));
  }

  /** Server to client PUBLISH, QoS 0. */
  publish(topic: string, payload: string): void {
    const name = Buffer.from(topic);
    const properties = this.level === 5 ? Buffer.from([0]) : Buffer.alloc(0);
    const body = Buffer.concat([u16(name.length), name, properties, Buffer.from(payload)]);
    this.socket.write(Buffer.concat([Buffer.from([0x30]), length(body.length), body]));
  }

  /** Whole packets among what came. */
  *take(chunk: Buffer): Generator<Packet> {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      let size = 0;
      let at = 1;
      for (let shift = 0; ; shift += 7) {
        const byte = this.#rest[at++];
        if (byte === undefined) return;
        size |= (byte & 0x7f) << shift;
        if (byte < 0x80) break;
      }
      if (this.#rest.length < at + size) return;
      const first = this.#rest[0]!;
      const packet = { type: first >> 4, flags: first & 15, body: this.#rest.subarray(at, at + size) };
      this.#rest = this.#rest.subarray(at + size);
      this.packets.push(packet);
      yield packet;
    }
  }

  parsePublish({ flags, body }: Packet): Publish {
    const qos = (flags >> 1) & 3;
    let at = 2 + body.readUInt16BE(0);
    const name = body.toString("utf8", 2, at);
    const id = qos === 0 ? 0 : body.readUInt16BE(at);
    at += qos === 0 ? 0 : 2;
    const properties = this.level === 5 ? body.subarray(at + 1, at + 1 + body[at]!) : Buffer.alloc(0);
    if (this.level === 5) at += 1 + properties.length;
    const topic = this.#resolve(name, properties);
    return { topic, qos, retain: (flags & 1) === 1, id, payload: body.subarray(at) };
  }

  #resolve(name: string, properties: Buffer): string {
    if (properties[0] !== 0x23) return name;
    const alias = properties.readUInt16BE(1);
    if (name !== "") this.aliases.set(alias, name);
    return this.aliases.get(alias) ?? `alias ${alias} is not known`;
  }
}

export class RawServer {
  readonly connections: RawConnection[] = [];
  readonly #options: RawOptions;
  readonly #server: Server;

  private constructor(options: RawOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async start(options: RawOptions = {}): Promise<RawServer> {
    const server = new RawServer(options);
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    return server;
  }

  get url(): string {
    const address = this.#server.address();
    return `mqtt://127.0.0.1:${address !== null && typeof address === "object" ? address.port : 0}`;
  }

  /** All publishes of all connections, in order. */
  get publishes(): Publish[] {
    return this.connections.flatMap(({ publishes }) => publishes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const { socket } of this.connections) socket.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    const connection = new RawConnection(socket);
    this.connections.push(connection);
    socket.setNoDelay(true);
    socket.on("error", () => {});
    if (this.#options.greeting !== undefined) socket.write(this.#options.greeting);
    socket.on("data", (chunk) => {
      // Whoever talks to a deaf one may speak HTTP.
      if (this.#options.deaf) return;
      for (const packet of connection.take(chunk)) this.#answer(connection, packet);
    });
  }

  #answer(connection: RawConnection, packet: Packet): void {
    const { onPublish = answerPublish, onPubrel = answerPubrel } = this.#options;
    if (packet.type === 1) this.#connect(connection, packet.body);
    else if (packet.type === 6) connection.send(onPubrel(packet.body.readUInt16BE(0)));
    else if (packet.type === 8) {
      if (this.#options.noSuback) return;
      connection.send(suback(connection, packet.body, this.#options.granted));
      this.#options.onSubscribe?.(connection);
    } else if (packet.type === 12) connection.send("d0 00");
    else if (packet.type === 3) {
      const publish = connection.parsePublish(packet);
      connection.publishes.push(publish);
      const answer = publish.qos === 0 ? undefined : onPublish(publish, connection);
      if (answer !== undefined) connection.send(answer);
    }
  }

  #connect(connection: RawConnection, body: Buffer): void {
    const { connack, hangUpOn5, onConnect } = this.#options;
    connection.level = body[6]!;
    connection.connect = Buffer.from(body);
    if (hangUpOn5 && connection.level === 5) {
      connection.socket.destroy();
      return;
    }
    const answer = typeof connack === "function" ? connack(this.connections.indexOf(connection) + 1) : connack;
    connection.send(answer ?? (connection.level === 5 ? ACCEPTED_5 : ACCEPTED_311));
    onConnect?.(connection);
  }
}

/** PUBACK (4) for QoS 1, PUBREC (5) for QoS 2; with a reason code for MQTT 5. */
export function answerPublish({ qos, id }: Publish, _connection?: RawConnection, reason?: number): string {
  const type = qos === 2 ? "50" : "40";
  if (reason === undefined) return `${type} 02 ${hex(u16(id))}`;
  return `${type} 03 ${hex(u16(id))} ${hex(Buffer.from([reason]))}`;
}

/** PUBCOMP of the same identifier. */
export function answerPubrel(id: number, reason?: number): string {
  if (reason === undefined) return `70 02 ${hex(u16(id))}`;
  return `70 03 ${hex(u16(id))} ${hex(Buffer.from([reason]))}`;
}

function suback(connection: RawConnection, body: Buffer, granted?: string): string {
  let count = 0;
  let at = 2 + (connection.level === 5 ? 1 : 0);
  for (; at < body.length; count++) at += 2 + body.readUInt16BE(at) + 1;
  const codes = granted ?? hex(Buffer.alloc(count, 1));
  const properties = connection.level === 5 ? "00" : "";
  return `90 ${hex(length(2 + properties.length / 2 + count))} ${hex(body.subarray(0, 2))} ${properties} ${codes}`;
}

function hex(bytes: Buffer): string {
  return bytes.toString("hex");
}

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255]);
}

/** Variable byte integer (MQTT 5 1.5.5). */
function length(value: number): Buffer {
  return value < 128 ? Buffer.from([value]) : Buffer.concat([Buffer.from([(value & 127) | 128]), length(value >> 7)]);
}
