/** Between the bridge and its MQTT 5 server: answers some packets with 0x97, Quota exceeded, in the server's place. */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { generate, type Packet, type Parser, parser } from "mqtt-packet";

const QUOTA_EXCEEDED = 0x97;
const V5 = { protocolVersion: 5 } as const;
/** Packets of the bridge that may be refused. */
export type Refused = "connect" | "subscribe" | "publish";

export class QuotaProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  #refused: Refused | undefined;
  /** The server's port. */
  toPort = 0;
  /** How many packets were refused. */
  refusals = 0;

  private constructor() {
    this.#server = createServer((client) => this.#accept(client));
  }

  static async start(): Promise<QuotaProxy> {
    const proxy = new QuotaProxy();
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    return `mqtt://127.0.0.1:${address !== null && typeof address === "object" ? address.port : 0}`;
  }

  /** From now on; undefined: none. */
  refuse(kind: Refused | undefined): void {
    this.#refused = kind;
  }

  /** Ends every connection with DISCONNECT 0x97. */
  disconnect(): void {
    for (const client of this.#clients) client.end(generate({ cmd: "disconnect", reasonCode: QUOTA_EXCEEDED }, V5));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const client of this.#clients) client.destroy();
    await closed;
  }

  #accept(client: Socket): void {
    const server = connect(this.toPort, "127.0.0.1");
    this.#clients.add(client);
    client.on("error", () => client.destroy());
    server.on("error", () => server.destroy());
    client.on("close", () => {
      this.#clients.delete(client);
      server.destroy();
    });
    server.on("close", () => client.end());
    client.on(
      "data",
      packetsTo((packet) => this.#up(packet, client, server)),
    );
    // Whole packets, so that what is said in the server's place stands between two of them.
    server.on(
      "data",
      packetsTo((packet) => void (client.writable && client.write(generate(packet, V5)))),
    );
  }

  #up(packet: Packet, client: Socket, server: Socket): void {
    const answer = packet.cmd === this.#refused ? answerTo(packet) : undefined;
    if (answer === undefined) {
      server.write(generate(packet, V5));
      return;
    }
    this.refusals++;
    const bytes = generate(answer, V5);
    if (answer.cmd === "connack") client.end(bytes);
    else client.write(bytes);
  }
}

/** Undefined for what has no answer. */
function answerTo(packet: Packet): Packet | undefined {
  if (packet.cmd === "connect") return { cmd: "connack", sessionPresent: false, reasonCode: QUOTA_EXCEEDED };
  if (packet.messageId === undefined) return undefined;
  const { messageId } = packet;
  if (packet.cmd === "publish") return { cmd: "puback", messageId, reasonCode: QUOTA_EXCEEDED };
  if (packet.cmd !== "subscribe") return undefined;
  return { cmd: "suback", messageId, granted: packet.subscriptions.map(() => QUOTA_EXCEEDED) };
}

function packetsTo(take: (packet: Packet) => void): (chunk: Buffer) => void {
  const whole: Parser = parser(V5);
  whole.on("packet", take);
  return (chunk) => void whole.parse(chunk);
}
