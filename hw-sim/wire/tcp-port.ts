import { createServer, type Server, type Socket } from "node:net";
import { BusbarError, messageOf, systemCode } from "../../core/errors.ts";
import type { Channel, Output, Port } from "./port.ts";

/** A client that does not read its replies is let go at this many bytes. */
const MAX_UNREAD_BYTES = 64 * 1024;

export class TcpPort implements Port {
  readonly #host: string;
  readonly #attach: (output: Output) => Channel;
  readonly #sockets = new Set<Socket>();
  #port: number;
  #server: Server | undefined;

  /** Port 0 becomes any free one at the first open, and stays that. */
  constructor(host: string, port: number, attach: (output: Output) => Channel) {
    this.#host = host;
    this.#port = port;
    this.#attach = attach;
  }

  get host(): string {
    return this.#host;
  }
  get port(): number {
    return this.#port;
  }
  get address(): string {
    return `${this.#host}:${this.#port}`;
  }
  get isOpen(): boolean {
    return this.#server !== undefined;
  }
  get connections(): number {
    return this.#sockets.size;
  }

  /** Throws BusbarError PORT_IN_USE. */
  async open(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once("error", (cause) => reject(this.#refused(cause)));
      server.listen(this.#port, this.#host, resolve);
    });
    const address = server.address();
    if (address !== null && typeof address === "object") this.#port = address.port;
    this.#server = server;
  }

  /** Ends all connections; new ones are refused. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #accept(socket: Socket): void {
    if (this.#server === undefined) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    const channel = this.#attach({ write: (bytes) => send(socket, bytes) });
    socket.on("data", (bytes) => channel.push(bytes));
    // A reset by the client is its affair; "close" follows.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.#sockets.delete(socket);
      channel.close();
    });
  }

  #refused(cause: unknown): BusbarError {
    const why = systemCode(cause) === "EADDRINUSE" ? "is in use" : messageOf(cause);
    return new BusbarError("PORT_IN_USE", `simulated line on ${this.address}: ${why}`, {
      remedy: "choose another port in the scenario, or 0 for any free one",
      cause,
    });
  }
}

function send(socket: Socket, bytes: Uint8Array): boolean {
  if (socket.destroyed || !socket.writable) return false;
  if (socket.writableLength > MAX_UNREAD_BYTES) {
    socket.destroy();
    return false;
  }
  socket.write(bytes);
  return true;
}
