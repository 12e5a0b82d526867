/**
 * One life of one link: dialled once, never reconnected, and the only file that loads mqtt.js. Of mqtt.js only transports
 * and packets are used: publishes are publisher.ts's, and there is no reconnection, because its own replay sends one
 * message per round trip and its `reconnect` forgets them.
 */
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type MqttClient, type Packet } from "mqtt";
import { BusbarError } from "../../core/errors.ts";
import { type AckCommand, AckFilter } from "./ack-filter.ts";
import { Approach, type DialFailure, type LinkEnd } from "./approach.ts";
import { closedByPeer, disconnected, isServersOwn, linkError, malformed } from "./faults.ts";
import "./reason-codes.ts";
import { limitsOf, publishBytes, type ServerLimits, TOO_LARGE } from "./limits.ts";
import { clientOptions, type LinkOptions, type Protocol } from "./link-options.ts";
import { PacketIds } from "./packet-ids.ts";
import { NO_SUBSCRIBER, type Publish, Publisher } from "./publisher.ts";

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
  readonly #approach: Approach;

  constructor(options: LinkOptions) {
    const { url, onReached } = options;
    const onHttp = (error: BusbarError): void => this.fail(error);
    this.#options = options;
    this.#approach = new Approach({ url, onHttp, ...(onReached === undefined ? {} : { onReached }) });
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
    const timer = setTimeout(() => this.fail(this.#approach.timedOut(connectTimeoutMs)), connectTimeoutMs);
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
    return end === undefined ? undefined : this.#approach.failure(end);
  }

  /**
   * Publishes with what else this turn sends. `done` is called at once, with 0x95, for what is above the server's maximum
   * packet size; it is not called when the link ends before; nothing happens then.
   */
  publish(publish: Publish): void {
    if (this.#gone) return;
    const isTooLarge = publishBytes(publish.topic, publish.payload) > this.#limits.maximumPacketBytes;
    if (isTooLarge) publish.done?.(TOO_LARGE);
    else this.#bytesSent += this.#publisher?.publish(publish) ?? 0;
    if (!isTooLarge && this.#pingPutOff === undefined) this.#putPingOff();
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
      this.#approach.accepted();
      this.#limits = limitsOf(packet.properties);
      const { topicAliasMaximum } = this.#limits;
      const version = this.protocol === "5" ? 5 : 4;
      this.#publisher = new Publisher({ stream: client.stream, ids: this.#ids, version, topicAliasMaximum });
      onConnected();
    });
    client.on("message", (topic, payload) => this.onMessage(topic, payload));
    client.on("packetreceive", (packet) => this.#received(packet));
    client.on("disconnect", ({ reasonCode = 0x80, properties }) => {
      const error = disconnected(url, reasonCode, properties?.serverReference);
      this.fail(error, !isServersOwn(reasonCode));
    });
    const stream = client.stream as Duplex & { setNoDelay?: (on: boolean) => void };
    this.#filterAcks(stream);
    // Publishes of one turn leave in one write already; Nagle would hold the next one back for a delayed ACK.
    stream.setNoDelay?.(true);
    this.#approach.watch(stream);
  }

  /** Sees each packet before mqtt.js acts on it. */
  #received(packet: Packet): void {
    // A packet cut short has no identifier, which mqtt.js would answer with an exception from inside the event loop.
    const broken = packet.messageId !== undefined && packet.messageId < 1;
    if (broken) this.fail(malformed(this.#options.url));
    if (this.#gone) (packet as { cmd: string }).cmd = "discarded";
    if (packet.cmd === "connack") this.#approach.answered(packet.properties?.serverReference);
    const { cmd, messageId = 0 } = packet;
    // What the filter left: an acknowledgement with a long reason string.
    const isAck = cmd === "puback" || cmd === "pubrec" || cmd === "pubcomp";
    if (isAck && this.#takeAck(cmd, messageId, packet.reasonCode ?? 0)) (packet as { cmd: string }).cmd = "discarded";
  }

  /** Lets mqtt.js's pipe have what is left of what the server sends. */
  #filterAcks(stream: Duplex): void {
    const filter = new AckFilter((...answer) => this.#gone || this.#takeAck(...answer));
    const passes = stream.listeners("data") as ((chunk: Buffer) => void)[];
    stream.on("data", (chunk: Buffer) => {
      for (const rest of filter.rest(chunk)) for (const pass of passes) pass.call(stream, rest);
    });
    for (const pass of passes) stream.off("data", pass);
  }

  /**
   * False: mqtt.js is to see what is wrong with it. One that nobody waits for is nothing; mqtt.js, which publishes nothing,
   * would hand it back here behind those that came after it.
   */
  #takeAck(command: AckCommand, id: number, reasonCode: number): boolean {
    if (this.#publisher === undefined || id === 0) return false;
    const isAnswer = this.#publisher.answered(command, id, reasonCode);
    if (isAnswer && reasonCode === NO_SUBSCRIBER) this.onNoSubscriber();
    return true;
  }

  /** By what we send (MQTT-3.1.2-20), not by what comes: an acknowledgement may be older than the server's patience. */
  #putPingOff(): void {
    this.#client?.reschedulePing();
    this.#pingPutOff = setTimeout(() => {
      this.#pingPutOff = undefined;
    }, PING_GRAIN_MS).unref();
  }

  #failed(error: unknown): void {
    const end = this.#approach.endOf(error);
    this.fail(end.error, end.byPeer);
  }
}
