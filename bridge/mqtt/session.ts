/**
 * One connection to the MQTT server in a persistent session. Messages go out to `onMessage` as they come, and each is
 * acknowledged when its owner says so, in the order of arrival (MQTT-4.6.0-2), however long that takes: pings go on
 * meanwhile. What was not acknowledged when the connection ends, the server sends again on the next one.
 */
import { BusbarError } from "../../core/errors.ts";
import type { TlsMaterial } from "../secrets.ts";
import { connackError, disconnectError, goneError, refusalError, type Stage } from "./faults.ts";
import { InFlight, NO_ANSWER } from "./in-flight.ts";
import { type Received, Unacked } from "./received.ts";
import { connackCode, type IConnackPacket, type ISubackPacket, type Packet, type ProtocolLevel, Wire } from "./wire.ts";

export interface SessionOptions {
  readonly url: string;
  readonly level: ProtocolLevel;
  readonly clientId: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly tls: TlsMaterial;
  readonly sessionExpiryMs: number;
  /** Receive Maximum: most publishes that the server sends without an acknowledgement. */
  readonly window: number;
  readonly maxPacketBytes: number;
  readonly keepaliveMs: number;
  readonly filters: readonly string[];
  /** Told with each message: a number of the owner's for this connection. */
  readonly life: number;
  readonly onMessage: (message: Received) => void;
}

const CONNECT_TIMEOUT_MS = 15_000;
/** The server may send all that is retained before SUBACK. */
const SUBSCRIBE_TIMEOUT_MS = 60_000;
/** AWS IoT Core takes no more in one SUBSCRIBE. */
const FILTERS_AT_ONCE = 8;

export class Session {
  /** Resolves once, when the connection is gone; never rejects. */
  readonly ended: Promise<BusbarError>;
  /** The server had kept our session. */
  kept = false;
  readonly #o: SessionOptions;
  readonly #wire: Wire;
  readonly #end = Promise.withResolvers<BusbarError>();
  readonly #connected = Promise.withResolvers<void>();
  readonly #unacked = new Unacked((ids) => this.#wire.acknowledge(ids));
  readonly #sent = new InFlight();
  #stage: Stage = "connecting";
  #gone = false;
  #paused = false;
  #lastReadMs = performance.now();
  #ping: NodeJS.Timeout | undefined;

  private constructor(options: SessionOptions) {
    this.#o = options;
    this.ended = this.#end.promise;
    this.#wire = new Wire(new URL(options.url), options.level, {
      tls: options.tls,
      events: {
        onReached: () => this.#login(),
        onPublish: (topic, payload, messageId) => this.#publish(topic, payload, messageId),
        onPacket: (packet) => this.#received(packet),
        onGone: (error) => this.#fail(goneError(options.url, this.#stage, error)),
      },
    });
  }

  /** Connected and subscribed. Throws BusbarError BRIDGE_MQTT; `versionRefused` tells whether to try the other version. */
  static async open(options: SessionOptions, signal: AbortSignal): Promise<Session> {
    const session = new Session(options);
    const stop = (): void => session.#fail(new BusbarError("BRIDGE_MQTT", `mqtt ${options.url}: stopped`));
    signal.addEventListener("abort", stop, { once: true });
    try {
      if (signal.aborted) stop();
      await session.#within(CONNECT_TIMEOUT_MS, "no CONNACK", session.#connected.promise);
      await session.#within(SUBSCRIBE_TIMEOUT_MS, "no SUBACK", session.#subscribe());
      return session;
    } catch (error) {
      session.#fail(error as BusbarError);
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  /** Publishes without a promise of delivery. */
  send(topic: string, payload: string): void {
    this.#wire.send({ cmd: "publish", topic, payload, qos: 0, dup: false, retain: false });
  }

  /** QoS 1, retained: the server's reason code; NO_ANSWER when the connection ended before. */
  async retain(topic: string, payload: string): Promise<number> {
    if (this.#gone) return NO_ANSWER;
    const { messageId, answer } = await this.#sent.begin();
    if (this.#gone) return NO_ANSWER;
    this.#wire.send({ cmd: "publish", topic, payload, qos: 1, dup: false, retain: true, messageId });
    return await answer;
  }

  /** Stops and starts reading, so that what waits for Kafka stays within bounds. */
  set paused(paused: boolean) {
    if (this.#paused === paused) return;
    this.#paused = paused;
    this.#lastReadMs = performance.now();
    if (paused) this.#wire.pause();
    else this.#wire.resume();
  }

  /** Sends the acknowledgements that are due and DISCONNECT; the server keeps the session. */
  close(): void {
    if (this.#gone) return;
    this.#unacked.flush();
    this.#wire.send({ cmd: "disconnect", reasonCode: 0 });
    this.#wire.end();
    this.#fail(new BusbarError("BRIDGE_MQTT", `mqtt ${this.#o.url}: closed`), false);
  }

  #login(): void {
    this.#stage = "logging in";
    const { level, clientId, username, password, window, maxPacketBytes, keepaliveMs, sessionExpiryMs } = this.#o;
    const properties = {
      sessionExpiryInterval: Math.round(sessionExpiryMs / 1000),
      receiveMaximum: window,
      maximumPacketSize: maxPacketBytes,
    };
    this.#wire.send({
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: level,
      clientId,
      clean: false,
      keepalive: Math.ceil(keepaliveMs / 1000),
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password: Buffer.from(password) }),
      ...(level === 5 ? { properties } : {}),
    });
  }

  #received(packet: Packet): void {
    this.#lastReadMs = performance.now();
    if (packet.cmd === "puback") this.#sent.answer(packet.messageId ?? 0, packet.reasonCode ?? 0);
    else if (packet.cmd === "connack") this.#connack(packet);
    else if (packet.cmd === "suback") this.#suback(packet);
    else if (packet.cmd === "disconnect") this.#fail(disconnectError(this.#o.url, packet.reasonCode ?? 0));
  }

  #publish(topic: string, payload: Buffer, messageId: number | undefined): void {
    this.#lastReadMs = performance.now();
    const { life, onMessage } = this.#o;
    onMessage(this.#unacked.take({ topic, payload, life, arrivedMs: this.#lastReadMs }, messageId));
  }

  #connack(packet: IConnackPacket): void {
    const code = connackCode(packet);
    if (code !== 0) {
      this.#fail(connackError(this.#o.url, code, packet.properties?.reasonString));
      return;
    }
    this.#stage = "connected";
    this.kept = packet.sessionPresent;
    this.#sent.most = packet.properties?.receiveMaximum ?? this.#sent.most;
    // MQTT-3.1.2-21: the server's own keep-alive wins.
    const serverKeepaliveS = packet.properties?.serverKeepAlive;
    this.#keepAlive(serverKeepaliveS === undefined ? this.#o.keepaliveMs : serverKeepaliveS * 1000);
    this.#connected.resolve();
  }

  #keepAlive(keepaliveMs: number): void {
    if (keepaliveMs === 0) return;
    this.#ping = setInterval(() => {
      const silentMs = performance.now() - this.#lastReadMs;
      // While paused nothing is read, answers neither.
      if (!this.#paused && silentMs > 1.5 * keepaliveMs) {
        this.#fail(new BusbarError("BRIDGE_MQTT", `mqtt ${this.#o.url}: silent for ${Math.round(silentMs / 1000)} s`));
      } else this.#wire.send({ cmd: "pingreq" });
    }, keepaliveMs / 2);
  }

  /** Retained messages come only where the server did not have the subscription yet. */
  async #subscribe(): Promise<void> {
    const options = this.#o.level === 5 ? { nl: true, rap: true, rh: 1 } : {};
    const { filters, url, clientId } = this.#o;
    for (let at = 0; at < filters.length; at += FILTERS_AT_ONCE) {
      const { messageId, answer } = await this.#sent.begin();
      const topics = filters.slice(at, at + FILTERS_AT_ONCE);
      const subscriptions = topics.map((topic) => ({ topic, qos: 1 as const, ...options }));
      this.#wire.send({ cmd: "subscribe", messageId, subscriptions });
      const worst = await answer;
      if (worst === 1) continue;
      const remedy = `allow ${clientId} to subscribe to ${topics[0]} and its like at QoS 1`;
      if (worst !== 0) throw refusalError(url, "the subscription", { code: worst, remedy });
      throw new BusbarError("BRIDGE_MQTT", `mqtt ${url}: offers only QoS 0`, { remedy });
    }
  }

  #suback({ messageId, granted }: ISubackPacket): void {
    const codes = granted as number[];
    const refused = codes.find((code) => code >= 0x80);
    this.#sent.answer(messageId ?? 0, refused ?? Math.min(...codes));
  }

  async #within<T>(limitMs: number, what: string, promise: Promise<T>): Promise<T> {
    const late = new BusbarError("BRIDGE_MQTT", `mqtt ${this.#o.url}: ${what} in ${limitMs / 1000} s`, {
      remedy: "check the address and that an MQTT server answers there",
    });
    const timer = setTimeout(() => this.#fail(late), limitMs);
    try {
      const failed = this.ended.then((error): never => {
        throw error;
      });
      return await Promise.race([promise, failed]);
    } finally {
      clearTimeout(timer);
    }
  }

  #fail(error: BusbarError, destroy = true): void {
    if (this.#gone) return;
    this.#gone = true;
    clearInterval(this.#ping);
    this.#sent.drop();
    if (destroy) this.#wire.destroy();
    this.#end.resolve(error);
  }
}
