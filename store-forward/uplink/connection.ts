/**
 * One life of one link: dialled once, never reconnected, and the only file that knows mqtt.js. Of mqtt.js only transports
 * and packets are used: publishes are publisher.ts's, and there is no reconnection, because its own replay sends one
 * message per round trip and its `reconnect` forgets them.
 */
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type IClientOptions, type MqttClient, type Packet } from "mqtt";
import { BusbarError } from "../../core/errors.ts";
import { type AckCommand, AckFilter } from "./ack-filter.ts";
import { disconnected, httpAnswer, linkError, malformed, refused, refusesVersion } from "./faults.ts";
import "./reason-codes.ts";
import { limitsOf, type ServerLimits } from "./limits.ts";
import { PacketIds } from "./packet-ids.ts";
import { NO_SUBSCRIBER, type Publish, Publisher } from "./publisher.ts";

export type Protocol = "5" | "3.1.1";

export interface LinkOptions {
  /** mqtt, mqtts, ws or wss; without user and password. */
  readonly url: string;
  readonly protocol: Protocol;
  readonly clientId: string;
  readonly username?: string;
  readonly password?: string;
  readonly tls: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
  readonly keepaliveMs: number;
  readonly connectTimeoutMs: number;
  /** The host took the connection. */
  readonly onReached?: () => void;
  /** Published by the server when this link dies: QoS 1, retained. */
  readonly will: { readonly topic: string; readonly payload: Buffer };
}

export interface DialFailure {
  readonly error: BusbarError;
  /** The server may have accepted our CONNECT, and so may publish its will. */
  readonly mayHoldWill: boolean;
  /** It refused this version of MQTT (`told`), or hung up on CONNECT without a word (`silent`). */
  readonly version: "told" | "silent" | undefined;
}

/** Why a link ended; `byPeer`: the other side closed it, no time-out of ours. */
export interface LinkEnd {
  readonly error: BusbarError;
  readonly byPeer: boolean;
}

/** Our own inbound limits: receipts and states are small. */
const INBOUND = { receiveMaximum: 20, maximumPacketSize: 65_536 };
const CLOSE_WAIT_MS = 1000;
/** The clock of mqtt.js's keep-alive is set anew no more often: it is a timer for each packet otherwise. */
const PING_GRAIN_MS = 1000;

/** A connected link, or why there is none. Never throws; on abort the failure is whatever the abort left. */
export async function dial(
  options: LinkOptions,
  signal: AbortSignal,
): Promise<{ readonly link: Link } | { readonly failure: DialFailure }> {
  const link = new Link(options);
  const failure = await link.open(signal);
  return failure === undefined ? { link } : { failure };
}

export class Link {
  readonly protocol: Protocol;
  /** Resolves once, when the link is gone; never rejects. */
  readonly ended: Promise<LinkEnd>;
  onMessage: (topic: string, payload: Buffer) => void = () => {};
  /** The server took a publish and nobody subscribes to it (reason 0x10). */
  onNoSubscriber: () => void = () => {};
  readonly #options: LinkOptions;
  readonly #end = Promise.withResolvers<LinkEnd>();
  #client: MqttClient | undefined;
  #limits: ServerLimits = limitsOf(undefined);
  readonly #ids = new PacketIds();
  /** From CONNACK on. */
  #publisher: Publisher | undefined;
  #pingPutOff: NodeJS.Timeout | undefined;
  #gone = false;
  #bytesSent = 0;
  #reached = false;
  /** CONNACK's code, when it refused. */
  #refusedWith: number | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.protocol = options.protocol;
    this.ended = this.#end.promise;
  }

  get limits(): ServerLimits {
    return this.#limits;
  }

  /** The server's address, where the transport tells it. */
  get address(): string | undefined {
    return (this.#client?.stream as { remoteAddress?: string } | undefined)?.remoteAddress;
  }

  /** Bytes of publishes handed to the socket. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** Waits for CONNACK; the failure, or undefined when connected. Called once, by `dial`. */
  async open(signal: AbortSignal): Promise<DialFailure | undefined> {
    const connected = Promise.withResolvers<undefined>();
    const { connectTimeoutMs, url } = this.#options;
    const timer = setTimeout(() => this.#timedOut(), connectTimeoutMs);
    const stop = (): void => this.fail(new BusbarError("UPLINK_LOST", `uplink ${url}: stopped`));
    signal.addEventListener("abort", stop, { once: true });
    try {
      this.#start(() => connected.resolve(undefined));
      if (signal.aborted) stop();
    } catch (cause) {
      // Broken PEM files and the like are thrown at once.
      this.fail(linkError(url, cause));
    }
    const end = await Promise.race([connected.promise, this.ended]);
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    if (end === undefined) return undefined;
    const silent = this.#reached && end.byPeer && end.error.code === "UPLINK_LOST";
    const told = this.#refusedWith !== undefined && refusesVersion(this.#refusedWith);
    const mayHoldWill = this.#reached && this.#refusedWith === undefined;
    return { error: end.error, mayHoldWill, version: told ? "told" : silent ? "silent" : undefined };
  }

  /** Publishes with what else this turn sends. `done` is not called when the link ends before; nothing happens then. */
  publish(publish: Publish): void {
    if (!this.#gone) this.#bytesSent += this.#publisher?.publish(publish) ?? 0;
  }

  /** Subscribes at QoS 1; the topics that the server refused. Resolves with all of them when the link ends. */
  subscribe(topics: readonly string[]): Promise<readonly string[]> {
    const { promise, resolve } = Promise.withResolvers<readonly string[]>();
    this.#client?.subscribe([...topics], { qos: 1 }, (error, _grants, packet) => {
      const granted = packet?.granted ?? [];
      const failed = error && granted.length !== topics.length;
      resolve(topics.filter((_topic, at) => failed || ((granted[at] as number | undefined) ?? 0x80) >= 0x80));
    });
    return Promise.race([promise, this.ended.then(() => topics)]);
  }

  /** Ends the link at once because of `error`; the first one counts. The server will publish the will. */
  fail(error: BusbarError, byPeer = false): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#end.resolve({ error, byPeer });
    this.#client?.end(true);
  }

  /** Sends DISCONNECT, so that the will is dropped, and closes within a second. */
  async close(): Promise<void> {
    const client = this.#client;
    if (this.#gone || client === undefined) return;
    this.#gone = true;
    const closed = new Promise<void>((resolve) => client.once("close", resolve));
    this.#publisher?.flush();
    // end() waits for a SUBACK otherwise.
    for (const id of Object.keys(client.outgoing)) client.removeOutgoingMessage(Number(id));
    client.end(false);
    const timeout = new AbortController();
    await Promise.race([closed, sleep(CLOSE_WAIT_MS, undefined, { signal: timeout.signal }).catch(() => {})]);
    timeout.abort();
    client.stream.destroy();
    this.#end.resolve({ error: new BusbarError("UPLINK_LOST", `uplink ${this.#options.url}: closed`), byPeer: false });
  }

  #start(onConnected: () => void): void {
    const { url } = this.#options;
    const client = connect({ ...clientOptions(this.#options), messageIdProvider: this.#ids });
    this.#client = client;
    // mqtt.js swallows stream errors that carry no code, so they are taken at the stream itself.
    client.on("error", (error) => this.#failed(error));
    client.stream.on("error", (error: Error) => this.#failed(error));
    client.on("close", () => this.fail(closedByPeer(url), true));
    client.on("connect", (packet) => {
      this.#limits = limitsOf(packet.properties);
      const { topicAliasMaximum } = this.#limits;
      const version = this.protocol === "5" ? 5 : 4;
      this.#publisher = new Publisher({ stream: client.stream, ids: this.#ids, version, topicAliasMaximum });
      onConnected();
    });
    client.on("message", (topic, payload) => this.onMessage(topic, payload));
    client.on("packetreceive", (packet) => this.#received(packet));
    client.on("disconnect", (packet) => this.fail(disconnected(url, packet.reasonCode ?? 0x80), true));
    this.#filterAcks(client.stream as Duplex);
    this.#watch(client.stream as Duplex);
  }

  #watch(stream: Duplex & { setNoDelay?: (on: boolean) => void }): void {
    // Publishes of one turn leave in one write already; Nagle would hold the next one back for a delayed ACK.
    stream.setNoDelay?.(true);
    const reached = (): void => {
      this.#reached = true;
    };
    stream.once("secureConnect", reached);
    stream.once("connect", () => this.#options.onReached?.());
    if (this.#options.url.startsWith("mqtt:")) stream.once("connect", reached);
    // Before mqtt.js, which would only see a packet with wrong flags.
    stream.prependOnceListener("data", (chunk: Buffer) => {
      reached();
      if (chunk.subarray(0, 5).toString("latin1") === "HTTP/") this.fail(httpAnswer(this.#options.url));
    });
  }

  /** Sees each packet before mqtt.js acts on it. */
  #received(packet: Packet): void {
    // A packet cut short has no identifier, which mqtt.js would answer with an exception from inside the event loop.
    const broken = packet.messageId !== undefined && packet.messageId < 1;
    if (broken) this.fail(malformed(this.#options.url));
    if (this.#gone) (packet as { cmd: string }).cmd = "discarded";
    const { cmd, messageId = 0 } = packet;
    // What the filter left: an acknowledgement with a long reason string.
    if (cmd === "puback" || cmd === "pubrec" || cmd === "pubcomp") {
      if (this.#answered(cmd, messageId, packet.reasonCode ?? 0)) (packet as { cmd: string }).cmd = "discarded";
    }
  }

  /** Lets mqtt.js's pipe have what is left of what the server sends. */
  #filterAcks(stream: Duplex): void {
    const filter = new AckFilter((...answer) => this.#gone || this.#answered(...answer));
    const passes = stream.listeners("data") as ((chunk: Buffer) => void)[];
    stream.on("data", (chunk: Buffer) => {
      for (const rest of filter.rest(chunk)) for (const pass of passes) pass.call(stream, rest);
    });
    for (const pass of passes) stream.off("data", pass);
  }

  #answered(command: AckCommand, id: number, reasonCode: number): boolean {
    if (this.#publisher?.answered(command, id, reasonCode) !== true) return false;
    if (reasonCode === NO_SUBSCRIBER) this.onNoSubscriber();
    if (this.#pingPutOff === undefined) {
      this.#client?.reschedulePing();
      this.#pingPutOff = setTimeout(() => {
        this.#pingPutOff = undefined;
      }, PING_GRAIN_MS).unref();
    }
    return true;
  }

  #failed(error: unknown): void {
    const { url } = this.#options;
    const code = (error as { code?: unknown }).code;
    if (typeof code === "number") {
      this.#refusedWith = code;
      this.fail(refused(url, code));
      return;
    }
    const text = error instanceof Error ? error.message : "";
    // The ws library gives no code, only this sentence, when the answer to the upgrade is not 101.
    const http = /^Unexpected server response: \d+/.test(text);
    this.fail(http ? httpAnswer(url) : linkError(url, error), code === "ECONNRESET" || code === "EPIPE");
  }

  #timedOut(): void {
    const { url, connectTimeoutMs } = this.#options;
    const what = this.#reached ? "connected, but no MQTT answer" : "no answer";
    const remedy = "check the network, the firewall and the port in uplink.url";
    this.fail(new BusbarError("UPLINK_UNREACHABLE", `uplink ${url}: ${what} in ${connectTimeoutMs} ms`, { remedy }));
  }
}

function clientOptions(options: LinkOptions): IClientOptions {
  const { protocol, hostname, port, pathname, search } = new URL(options.url);
  const secure = protocol === "mqtts:" || protocol === "wss:";
  // Named one by one: given the URL, mqtt.js takes user, password and client id from it; given cert and key without
  // TLS it changes the protocol.
  const socket = protocol.startsWith("mqtt");
  return {
    protocol: protocol.slice(0, -1) as "mqtt" | "mqtts" | "ws" | "wss",
    host: socket ? hostname.replace(/^\[|\]$/g, "") : hostname,
    ...(port === "" ? {} : { port: Number(port) }),
    path: `${pathname === "" ? "/" : pathname}${search}`,
    ...(secure ? { ...options.tls, rejectUnauthorized: true } : {}),
    clientId: options.clientId,
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.password === undefined ? {} : { password: options.password }),
    protocolVersion: options.protocol === "5" ? 5 : 4,
    ...(options.protocol === "5" ? { properties: INBOUND } : {}),
    clean: true,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    // Its own asks the environment several times for each packet whether anybody debugs.
    log: () => {},
    keepalive: Math.round(options.keepaliveMs / 1000),
    // Ours tells a deaf host from a deaf server, and comes first.
    connectTimeout: options.connectTimeoutMs * 2,
    will: { ...options.will, qos: 1, retain: true },
  };
}

function closedByPeer(url: string): BusbarError {
  return new BusbarError("UPLINK_LOST", `uplink ${url}: connection closed by the other side`, {
    remedy: "if this repeats, read the server's log: bad credentials, or another device with this gateway's id",
  });
}
