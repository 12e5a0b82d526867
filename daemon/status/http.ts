/**
 * The status page and its JSON. Read-only; nothing that a browser of another site could use: no CORS headers, and
 * without credentials only loopback names are answered (a foreign name that points at 127.0.0.1 is DNS rebinding).
 */
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { type CheckCredentials, type ListenConfig, REFUSAL_DELAY_MS, readCredentials } from "./credentials.ts";
import { Listener } from "./listener.ts";
import type { Snapshot } from "./protocol.ts";

const MAX_CONNECTIONS = 64;
/** Headers, the whole request, and a socket on which nothing moves. */
const HEADERS_TIMEOUT_MS = 5000;
const REQUEST_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 15_000;
const MAX_HEADER_BYTES = 8192;
const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;
const HEADERS = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
} as const;
const CSS_TYPE = "text/css; charset=utf-8";
const JS_TYPE = "text/javascript; charset=utf-8";
const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  "/": ["page.html", "text/html; charset=utf-8"],
  "/page.css": ["page.css", CSS_TYPE],
  "/page-assets.css": ["page-assets.css", CSS_TYPE],
  "/page.js": ["page.js", JS_TYPE],
  "/page-assets.js": ["page-assets.js", JS_TYPE],
  "/page-dom.js": ["page-dom.js", JS_TYPE],
};
const JSON_TYPE = "application/json; charset=utf-8";

export interface StatusPageOptions {
  readonly config: ListenConfig;
  readonly snapshot: () => Snapshot;
  readonly retryMs?: number;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

export class StatusPage {
  readonly #options: StatusPageOptions;
  readonly #server: Server;
  readonly #files: ReadonlyMap<string, Answer>;
  readonly listener: Listener;
  #check: CheckCredentials | undefined;

  constructor(options: StatusPageOptions) {
    this.#options = options;
    this.#files = new Map(Object.entries(FILES).map(([path, [file, type]]) => [path, fileAnswer(file, type)]));
    this.#server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, (request, response) => {
      void this.#serve(request, response);
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.headersTimeout = HEADERS_TIMEOUT_MS;
    this.#server.requestTimeout = REQUEST_TIMEOUT_MS;
    this.#server.setTimeout(IDLE_TIMEOUT_MS);
    this.listener = new Listener(this.#server, {
      config: options.config,
      key: "local.http",
      prepare: () => {
        this.#check = readCredentials(options.config, "local.http");
      },
      ...(options.retryMs === undefined ? {} : { retryMs: options.retryMs }),
    });
  }

  /** Tries the port once (`listener.problem` tells). */
  async start(): Promise<void> {
    await this.listener.open();
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => response.destroy());
    // A body is never wanted; unread it would hold the connection.
    request.resume();
    let answer: Answer;
    try {
      answer = this.#refuse(request) ?? this.#answer(request.url ?? "/");
    } catch (error) {
      answer = text(500, `internal error: ${String(error)}`);
    }
    if (answer.status === 401) await delay(REFUSAL_DELAY_MS);
    send(response, answer, request.method === "HEAD");
  }

  #refuse(request: IncomingMessage): Answer | undefined {
    if (request.method !== "GET" && request.method !== "HEAD")
      return { ...text(405, "read-only: GET and HEAD"), headers: { allow: "GET, HEAD" } };
    if (this.#check !== undefined) return this.#authorized(request) ? undefined : UNAUTHORIZED;
    if (LOOPBACK_HOST.test(request.headers.host ?? "")) return undefined;
    return text(
      403,
      "this name is not answered: use localhost or 127.0.0.1, or set local.http.username and password_file",
    );
  }

  #authorized(request: IncomingMessage): boolean {
    const encoded = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(request.headers.authorization ?? "")?.[1];
    const [, username, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded ?? "", "base64").toString("utf8")) ?? [];
    return username !== undefined && password !== undefined && this.#check?.(username, password) === true;
  }

  #answer(url: string): Answer {
    const path = url.split("?", 1)[0] ?? "/";
    if (path === "/api/status") return { status: 200, type: JSON_TYPE, body: JSON.stringify(this.#options.snapshot()) };
    if (path === "/api/health") {
      const { health } = this.#options.snapshot();
      return { status: health.status === "failed" ? 503 : 200, type: JSON_TYPE, body: JSON.stringify(health) };
    }
    return this.#files.get(path) ?? text(404, "nothing here: /, /api/status, /api/health");
  }
}

const UNAUTHORIZED: Answer = {
  ...text(401, "user name and password are needed"),
  headers: { "www-authenticate": 'Basic realm="busbar", charset="UTF-8"' },
};

function send(response: ServerResponse, answer: Answer, head: boolean): void {
  if (response.destroyed) return;
  response.writeHead(answer.status, {
    ...HEADERS,
    "content-type": answer.type,
    "content-length": Buffer.byteLength(answer.body),
    ...answer.headers,
  });
  response.end(head ? undefined : answer.body);
}

function text(status: number, body: string): Answer {
  return { status, type: "text/plain; charset=utf-8", body: `${body}\n` };
}

function fileAnswer(file: string, type: string): Answer {
  return { status: 200, type, body: readFileSync(new URL(file, import.meta.url)) };
}
