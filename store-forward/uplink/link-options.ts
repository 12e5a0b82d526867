/** What a link is told to be, and what mqtt.js is told of it. Pure. */
import type { IClientOptions } from "mqtt";

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

/** Our own inbound limits: receipts and states are small. */
const INBOUND = { receiveMaximum: 20, maximumPacketSize: 65_536 };

export function clientOptions(options: LinkOptions): IClientOptions {
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
    // 65,536 small buffers, made before the first packet and kept for ever: 7 MiB, and most of a start's garbage.
    writeCache: false,
    // Its own asks the environment several times for each packet whether anybody debugs.
    log: () => {},
    keepalive: Math.round(options.keepaliveMs / 1000),
    // Ours tells a deaf host from a deaf server, and comes first.
    connectTimeout: options.connectTimeoutMs * 2,
    will: { ...options.will, qos: 1, retain: true },
  };
}
