import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { messageOf, systemCode } from "../../core/errors.ts";
import type { ListenConfig } from "./credentials.ts";

const RETRY_MS = 10_000;

export interface ListenerOptions {
  readonly config: ListenConfig;
  /** The configuration's name of it, such as `local.mqtt`. */
  readonly key: string;
  /** Called before each attempt; what it throws is a problem like a port in use. */
  readonly prepare: () => void;
  readonly retryMs?: number;
}

/** One listening socket that nothing else waits for: where it cannot open it says why and tries again. */
export class Listener {
  readonly #server: Server;
  readonly #options: ListenerOptions;
  /** Why it is not open; undefined when it is. */
  problem: string | undefined;

  constructor(server: Server, options: ListenerOptions) {
    this.#server = server;
    this.#options = options;
  }

  /** The open port, or undefined. */
  get port(): number | undefined {
    return this.#server.listening ? (this.#server.address() as AddressInfo).port : undefined;
  }

  /** One attempt; never rejects: see `problem`. */
  async open(): Promise<void> {
    const { host, port } = this.#options.config.listen;
    try {
      this.#options.prepare();
      this.#server.listen({ host, port });
      await once(this.#server, "listening");
      this.problem = undefined;
    } catch (error) {
      this.problem = this.#explain(error);
    }
  }

  /** Tries again every 10 s until open. Rejects with AbortError when `signal` aborts first. */
  async keepTrying(signal: AbortSignal): Promise<void> {
    while (!this.#server.listening) {
      await delay(this.#options.retryMs ?? RETRY_MS, undefined, { signal });
      await this.open();
    }
  }

  #explain(error: unknown): string {
    const { key, config } = this.#options;
    const { host, port } = config.listen;
    switch (systemCode(error)) {
      case "EADDRINUSE":
        return `port ${port} on ${host} is in use by another program; stop it or set ${key}.listen`;
      case "EADDRNOTAVAIL":
      case "ENOTFOUND":
      case "EAI_AGAIN":
        return `${host} is no address of this machine; set ${key}.listen`;
      case "EACCES":
        return `port ${port} on ${host} is not allowed to this user; set ${key}.listen to a port above 1023`;
      default:
        return messageOf(error);
    }
  }
}
