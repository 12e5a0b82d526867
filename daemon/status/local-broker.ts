/**
 * The local MQTT broker (MQTT 3.1.1): clients read everything and write nothing but requests.
 *
 * Nothing of a client outlives its connection: sessions are always clean, what clients publish is never retained, and
 * a subscriber that does not read is cut off by time (drainTimeout) and by memory (MAX_UNSENT_BYTES), so that one
 * stalled dashboard neither freezes the others nor fills the gateway's memory.
 */
import { createServer, type Server, type Socket } from "node:net";
import { Aedes, type AedesPublishPacket, type AuthenticateError, type Client, type PublishPacket } from "aedes";
import { writeToStream } from "mqtt-packet";
import type { Logger } from "../../core/log.ts";
import { type CheckCredentials, type ListenConfig, REFUSAL_DELAY_MS, readCredentials } from "./credentials.ts";
import { Listener } from "./listener.ts";
import { OncePer } from "./once-per.ts";
import { PacketGuard } from "./packet-guard.ts";

const MAX_CLIENTS = 64;
const MAX_PACKET_BYTES = 64 * 1024;
const MAX_UNSENT_BYTES = 4 * 1024 ** 2;
const MAX_SUBSCRIPTIONS = 64;
const MAX_TOPIC_LEVELS = 16;
const DRAIN_TIMEOUT_MS = 3000;
const CONNECT_TIMEOUT_MS = 5000;
const TCP_KEEPALIVE_MS = 60_000;
const GOODBYE_MS = 500;
const REQUEST = /^busbar\/bridge\/request\/([^/]{1,64})$/;

// aedes writes its packets with it. Else, with the first of them, it makes 65,536 buffers and keeps them: 7 MiB.
writeToStream.cacheNumbers = false;

export interface LocalBrokerOptions {
  readonly config: ListenConfig;
  readonly log: Logger;
  /** A client's request: the operation's name and the payload as it came. */
  readonly onRequest: (op: string, payload: Buffer) => void;
  /** A client is about to be let in: what is published now is retained before it can subscribe to anything. */
  readonly onArrival: () => void;
  readonly retryMs?: number;
}

export class LocalBroker {
  readonly #options: LocalBrokerOptions;
  readonly #server: Server;
  readonly #filters = new WeakMap<Client, Set<string>>();
  readonly #told: OncePer;
  #aedes: Aedes | undefined;
  #check: CheckCredentials | undefined;
  readonly listener: Listener;
  /** Publishes of clients that were acknowledged and thrown away, because only requests are allowed. */
  refusedPublishes = 0;

  constructor(options: LocalBrokerOptions) {
    this.#options = options;
    this.#told = new OncePer(1000);
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.maxConnections = MAX_CLIENTS;
    this.listener = new Listener(this.#server, {
      config: options.config,
      key: "local.mqtt",
      prepare: () => {
        this.#check = readCredentials(options.config, "local.mqtt");
      },
      ...(options.retryMs === undefined ? {} : { retryMs: options.retryMs }),
    });
  }

  /** Opens the broker and tries the port once (`listener.problem` tells). */
  async start(): Promise<void> {
    const aedes = await Aedes.createBroker({
      concurrency: 0,
      drainTimeout: DRAIN_TIMEOUT_MS,
      connectTimeout: CONNECT_TIMEOUT_MS,
      maxTopicLevels: MAX_TOPIC_LEVELS,
      preConnect: (_client, packet, done) => {
        packet.clean = true;
        done(null, true);
      },
      authenticate: (_client, username, password, done) => this.#authenticate(username, password, done),
      authorizePublish: (client, packet, done) => this.#authorizePublish(client, packet, done),
      authorizeSubscribe: (client, subscription, done) =>
        done(null, this.#mayAdd(client, subscription.topic) ? subscription : null),
      authorizeForward: (client, packet) => this.#forward(client, packet),
    });
    aedes.on("publish", (packet, client) => this.#published(packet, client));
    aedes.on("unsubscribe", (filters, client) => {
      for (const filter of filters) this.#filters.get(client)?.delete(filter);
    });
    aedes.on("clientError", (client, error) => this.#tell(client, "closed", `connection closed: ${error.message}`));
    aedes.on("connectionError", (client, error) => this.#tell(client, "refused", refusalText(error)));
    aedes.on("error" as "closed", (error?: unknown) => this.#options.log.error("local broker failed", { error }));
    this.#server.on("error", (error) => {
      if (this.#server.listening) this.#options.log.warn("local broker cannot take a connection", { error });
    });
    this.#aedes = aedes;
    await this.listener.open();
  }

  /** Somebody is there to read what is published. */
  get watched(): boolean {
    return (this.#aedes?.connectedClients ?? 0) > 0;
  }

  /** QoS 0: a status message that a slow client misses is followed by the next one. */
  publish(topic: string, payload: string, retain: boolean): void {
    this.#aedes?.publish(packetOf(topic, payload, retain), ignore);
  }

  /** Publishes a last message, waits shortly for it to leave, and closes everything. */
  async stop(topic: string, payload: string): Promise<void> {
    const aedes = this.#aedes;
    this.#server.close();
    if (aedes === undefined) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, GOODBYE_MS);
      aedes.publish(packetOf(topic, payload, true), () => {
        clearTimeout(timer);
        resolve();
      });
    });
    await new Promise<void>((resolve) => aedes.close(resolve));
  }

  #accept(socket: Socket): void {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
    const guard = new PacketGuard(MAX_PACKET_BYTES);
    const read = socket.read.bind(socket);
    // aedes reads the socket only by read(): the one place to look at bytes before its parser keeps them.
    socket.read = (size?: number) => {
      const chunk: Buffer | null = read(size);
      if (chunk === null || guard.feed(chunk)) return chunk;
      socket.destroy(new Error(`packet of more than ${MAX_PACKET_BYTES} bytes`));
      return null;
    };
    this.#aedes?.handle(socket);
  }

  #authenticate(
    username: string | undefined,
    password: Buffer | undefined,
    done: (error: AuthenticateError | null, success: boolean | null) => void,
  ): void {
    if (this.#check === undefined || this.#check(username ?? "", password?.toString("utf8") ?? "")) {
      this.#options.onArrival();
      done(null, true);
      return;
    }
    const refusal = Object.assign(new Error("bad user name or password"), { returnCode: 4 });
    setTimeout(done, REFUSAL_DELAY_MS, refusal, false);
  }

  /**
   * MQTT 3.1.1 has no refusal: a server acknowledges or closes (MQTT-3.3.5-2). A dashboard that publishes somewhere
   * (Home Assistant's birth message, a will) shall go on reading, so its messages are acknowledged and thrown away.
   */
  #authorizePublish(client: Client | null, packet: PublishPacket, done: (error?: Error | null) => void): void {
    packet.retain = false;
    if (REQUEST.test(packet.topic)) {
      done(null);
      return;
    }
    this.refusedPublishes++;
    if (client !== null)
      this.#tell(
        client,
        "publish",
        `publishes to ${packet.topic.slice(0, 100)}, which is refused; only busbar/bridge/request/<op> is taken`,
      );
    // The broker itself listens to $SYS: forwarding filters come too late there.
    done(packet.topic.startsWith("$") ? new Error("$ topics are reserved") : null);
  }

  #forward(client: Client, packet: AedesPublishPacket): AedesPublishPacket | null {
    const sender = (packet as { clientId?: string }).clientId;
    if (sender !== undefined && !REQUEST.test(packet.topic)) return null;
    const socket = client.conn as Socket;
    if (socket.writableLength <= MAX_UNSENT_BYTES) return packet;
    socket.destroy(new Error(`does not read: ${MAX_UNSENT_BYTES} bytes wait`));
    return null;
  }

  #mayAdd(client: Client, filter: string): boolean {
    const filters = this.#filters.get(client) ?? new Set<string>();
    this.#filters.set(client, filters);
    if (filters.size < MAX_SUBSCRIPTIONS) filters.add(filter);
    return filters.has(filter);
  }

  #published(packet: AedesPublishPacket, client: Client | null): void {
    const op = client === null ? undefined : REQUEST.exec(packet.topic)?.[1];
    if (op !== undefined) this.#options.onRequest(op, Buffer.from(packet.payload));
  }

  /** Tells each kind of trouble once per client. */
  #tell(client: Client, kind: string, text: string): void {
    const socket = client.conn as Socket;
    const name = client.id ?? socket.remoteAddress ?? "unknown";
    if (this.#told.first(`${kind} ${name}`)) this.#options.log.info(`local broker: client ${name} ${text}`);
  }
}

function packetOf(topic: string, payload: string, retain: boolean): PublishPacket {
  return { cmd: "publish", topic, payload, retain, qos: 0, dup: false };
}

function refusalText(error: Error): string {
  return error.message === "unacceptable protocol version"
    ? "refused: it does not speak MQTT 3.1.1; set the client to version 3.1.1"
    : `refused: ${error.message}`;
}

function ignore(): void {
  // A message that cannot be delivered has no reader.
}
