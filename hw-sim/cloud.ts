/**
 * The stand-in cloud: an MQTT 3.1.1 broker (aedes) that any part of the fleet can meet on a desk. Not a durable hop:
 * what it must not lose it appends to `logPath` before the acknowledgement goes out.
 */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { parseArgs } from "node:util";
import { Aedes } from "aedes";
import { BusbarError, messageOf } from "../core/errors.ts";
import { formatText, Logger } from "../core/log.ts";
import { CloudLog } from "./cloud-log.ts";

export interface CloudOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** JSON lines of every publish, see CloudLog. */
  readonly logPath?: string;
  readonly log: Logger;
}

export interface Cloud extends AsyncDisposable {
  /** `mqtt://host:port`, the same before and after a cut. */
  readonly url: string;
  readonly port: number;
  /** Drops all connections and refuses new ones; retained messages stay. */
  cut(): Promise<void>;
  restore(): Promise<void>;
}

/** Listens. Throws BusbarError PORT_IN_USE. */
export async function startCloud(options: CloudOptions): Promise<Cloud> {
  const cloudLog = options.logPath === undefined ? undefined : new CloudLog(options.logPath);
  const aedes = await Aedes.createBroker({
    // One stalled subscriber must not hold up the others.
    concurrency: 0,
    drainTimeout: 5000,
    // QoS 2 senders fill their window; aedes would hang up on the 1001st.
    maxInflightInbound: 0,
    // Called before the PUBACK or PUBREC of a publish, and for last wills.
    authorizePublish: (_client, packet, callback) => {
      if (packet.topic.startsWith("$SYS/")) {
        callback(new Error("$SYS topics are the broker's own"));
        return;
      }
      cloudLog?.append(packet);
      callback(null);
    },
  });
  aedes.on("clientError", (client, error) => {
    options.log.debug("cloud client failed", { client: client.id, reason: messageOf(error) });
  });
  aedes.on("connectionError", (_client, error) => {
    options.log.debug("cloud connection failed", { reason: messageOf(error) });
  });
  const listener = new CloudListener(options.host, (socket) => aedes.handle(socket));
  const port = await listener.open(options.port);
  return {
    url: `mqtt://${options.host.includes(":") ? `[${options.host}]` : options.host}:${port}`,
    port,
    cut: () => listener.close(),
    restore: async () => {
      await listener.open(port);
    },
    async [Symbol.asyncDispose]() {
      await listener.close();
      await new Promise<void>((resolve) => aedes.close(() => resolve()));
      cloudLog?.close();
    },
  };
}

class CloudListener {
  readonly #host: string;
  readonly #onSocket: (socket: Socket) => void;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  constructor(host: string, onSocket: (socket: Socket) => void) {
    this.#host = host;
    this.#onSocket = onSocket;
  }

  /** The port it listens on. Throws BusbarError PORT_IN_USE. */
  async open(port: number): Promise<number> {
    if (this.#server !== undefined) return port;
    const server = createServer((socket) => {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      this.#onSocket(socket);
    });
    server.listen(port, this.#host);
    try {
      await once(server, "listening");
    } catch (cause) {
      const remedy = "stop what listens there, or choose another port";
      throw new BusbarError("PORT_IN_USE", `cloud ${this.#host}:${port}: ${messageOf(cause)}`, { remedy, cause });
    }
    this.#server = server;
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : port;
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = once(server, "close");
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** `node hw-sim/cloud.ts --port N --log FILE`: prints one JSON line when it listens. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      host: { type: "string", default: "127.0.0.1" },
      port: { type: "string", default: "1884" },
      log: { type: "string" },
    },
  });
  const log = new Logger("cloud", (entry) => {
    if (entry.level !== "debug") process.stderr.write(`${formatText(entry)}\n`);
  });
  const logPath = values.log === undefined ? {} : { logPath: values.log };
  const cloud = await startCloud({ host: values.host, port: Number(values.port), log, ...logPath });
  process.stdout.write(`${JSON.stringify({ url: cloud.url, port: cloud.port })}\n`);
  const stop = async (): Promise<void> => {
    await cloud[Symbol.asyncDispose]();
    process.exit(0);
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
}

if (import.meta.main) await main();
