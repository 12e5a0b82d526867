/** `/healthz` for people and load balancers, `/metrics` for Prometheus. Read-only. */
import { createServer, type Server, type ServerResponse } from "node:http";
import { BusbarError, messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { Metrics } from "./metrics.ts";

/** What `/healthz` tells; the status code is 200 unless `failed`. */
export interface Health {
  /** ok: everything is written; degraded: something waits or is retried; failed: nothing is written. */
  readonly status: "ok" | "degraded" | "failed";
  readonly [detail: string]: unknown;
}

export interface HttpOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly metrics: Metrics;
  readonly health: () => Health;
  readonly log: Logger;
}

const IDLE_TIMEOUT_MS = 15_000;
const RETRY_MS = 10_000;

export class BridgeHttp implements Disposable {
  readonly #o: HttpOptions;
  readonly #server: Server;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: HttpOptions) {
    this.#o = options;
    this.#server = createServer((request, response) => {
      request.resume();
      response.on("error", () => response.destroy());
      void this.#answer(request.url ?? "/", request.method ?? "GET", response);
    });
    this.#server.setTimeout(IDLE_TIMEOUT_MS);
    this.#server.on("error", (error) => this.#failed(error));
    this.#server.on("listening", () => this.#o.log.info("http open", { address: this.#server.address() }));
  }

  /** Opens the port, or says why not and tries again: records flow without it. */
  open(): void {
    this.#server.listen(this.#o.listen);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#retry);
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(url: string, method: string, response: ServerResponse): Promise<void> {
    if (method !== "GET" && method !== "HEAD") {
      send(response, 405, { type: "text/plain", body: "read-only: GET and HEAD\n" });
      return;
    }
    const path = url.split("?", 1)[0];
    try {
      if (path === "/healthz") {
        const health = this.#o.health();
        const body = `${JSON.stringify(health)}\n`;
        send(response, health.status === "failed" ? 503 : 200, { type: "application/json", body });
      } else if (path === "/metrics") send(response, 200, await this.#o.metrics.text());
      else send(response, 404, { type: "text/plain", body: "nothing here: /healthz, /metrics\n" });
    } catch (error) {
      send(response, 500, { type: "text/plain", body: `internal error: ${messageOf(error)}\n` });
    }
  }

  #failed(cause: Error): void {
    const { host, port } = this.#o.listen;
    const remedy = "free the port or set http.listen; it is tried again every 10 s";
    const error = new BusbarError("PORT_IN_USE", `http ${host}:${port}: ${cause.message}`, { remedy, cause });
    this.#o.log.warn("no health and metrics", { error });
    this.#retry = setTimeout(() => this.open(), RETRY_MS);
  }
}

function send(response: ServerResponse, status: number, { type, body }: { type: string; body: string }): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
  });
  response.end(body);
}
