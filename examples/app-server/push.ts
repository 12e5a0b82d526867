/**
 * Changes to WebSocket clients. A client is owed signals, not messages: what changes while it cannot take more is noted
 * by name, and it gets the latest values when it can. So a slow client sees fewer steps, and costs no memory.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import type { Session } from "../common/sessions.ts";
import { type Filter, filterOf, isForeign } from "./rest.ts";
import type { State } from "./state.ts";

interface Client {
  readonly socket: WebSocket;
  readonly filter: Filter;
  /** By `<gateway>/<asset>`. */
  readonly owed: Map<string, Set<string>>;
  readonly sessions: Map<string, Session>;
  stuckSinceMs: number | undefined;
}

export interface PushOptions {
  /** Beyond it in a socket's buffer nothing is added. */
  readonly bufferBytes: number;
  /** A client that takes nothing for so long is let go. */
  readonly patienceMs: number;
}

const EVERY_MS = 100;
/** Clients only listen. */
const MOST_FROM_CLIENT_BYTES = 1024;
const MOST_CLIENTS = 1000;

export class Push implements Disposable {
  readonly #state: State;
  readonly #options: PushOptions;
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: MOST_FROM_CLIENT_BYTES,
    perMessageDeflate: false,
  });
  readonly #clients = new Set<Client>();
  readonly #timer: NodeJS.Timeout;

  constructor(state: State, options: PushOptions) {
    this.#state = state;
    this.#options = options;
    this.#timer = setInterval(() => this.#flush(), EVERY_MS);
  }

  /** How often it has sent to all. */
  flushes = 0;

  get clients(): number {
    return this.#clients.size;
  }
  /** What clients have not taken yet. */
  get bufferedBytes(): number {
    return [...this.#clients].reduce((sum, { socket }) => sum + socket.bufferedAmount, 0);
  }

  /** `/changes?gateway=…&asset=…`; everything it asks for at first, changes from then on. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const url = URL.parse(request.url ?? "/", "http://localhost");
    const filter = filterOf(url?.searchParams ?? new URLSearchParams());
    const refuse = (status: string): void => void socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
    if (url?.pathname !== "/changes") refuse("404 Not Found");
    else if (isForeign(request.headers)) refuse("403 Forbidden");
    else if ("error" in filter) refuse("400 Bad Request");
    else if (this.#clients.size >= MOST_CLIENTS) refuse("503 Service Unavailable");
    else this.#server.handleUpgrade(request, socket, head, (client) => this.#add(client, filter));
  }

  values(gateway: string, asset: string, signals: readonly string[]): void {
    for (const client of this.#clients) {
      if (!wants(client, { gateway, asset })) continue;
      const key = `${gateway}/${asset}`;
      const owed = client.owed.get(key) ?? new Set();
      for (const signal of signals) owed.add(signal);
      client.owed.set(key, owed);
    }
  }

  session(session: Session): void {
    for (const client of this.#clients) if (wants(client, session)) client.sessions.set(session.sid, session);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    for (const { socket } of this.#clients) socket.terminate();
  }

  #add(socket: WebSocket, filter: Filter): void {
    const client: Client = { socket, filter, owed: new Map(), sessions: new Map(), stuckSinceMs: undefined };
    this.#clients.add(client);
    socket.on("close", () => this.#clients.delete(client));
    socket.on("error", () => socket.terminate());
    for (const { gateway, asset } of this.#state.assets()) {
      if (!wants(client, { gateway, asset })) continue;
      client.owed.set(`${gateway}/${asset}`, new Set(Object.keys(this.#state.values(gateway, asset) ?? {})));
    }
    for (const session of this.#state.sessions(filter.gateway, filter.asset)) {
      if (session.end === null) client.sessions.set(session.sid, session);
    }
  }

  #flush(): void {
    const nowMs = performance.now();
    this.flushes++;
    for (const client of this.#clients) {
      this.#send(client);
      if (client.socket.bufferedAmount < this.#options.bufferBytes) client.stuckSinceMs = undefined;
      else client.stuckSinceMs ??= nowMs;
      if (nowMs - (client.stuckSinceMs ?? nowMs) > this.#options.patienceMs) client.socket.terminate();
    }
  }

  #send({ socket, owed, sessions }: Client): void {
    const isFull = (): boolean => socket.bufferedAmount >= this.#options.bufferBytes;
    for (const [key, signals] of owed) {
      if (isFull()) return;
      const [gateway = "", asset = ""] = key.split("/");
      socket.send(
        JSON.stringify({ type: "values", gateway, asset, values: this.#state.values(gateway, asset, signals) }),
      );
      owed.delete(key);
    }
    for (const [sid, session] of sessions) {
      if (isFull()) return;
      socket.send(JSON.stringify({ type: "session", session }));
      sessions.delete(sid);
    }
  }
}

function wants({ filter }: Client, { gateway, asset }: { gateway: string; asset: string }): boolean {
  return (filter.gateway ?? gateway) === gateway && (filter.asset ?? asset) === asset;
}
