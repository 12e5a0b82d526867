/**
 * A TCP proxy that spoils links. By hand: `node test/support/fault-proxy.ts --listen P --to H:P`, then on stdin
 * `cut`, `half-open`, `restore`, `delay MS`, `rate BYTES_PER_S`, `count`.
 */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

export interface FaultProxyOptions {
  /** Port to listen on; default: any. */
  readonly listen?: number;
  readonly to: { readonly host: string; readonly port: number };
}

export class FaultProxy {
  readonly #to: { readonly host: string; readonly port: number };
  readonly #wishedPort: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #swallow = false;
  #delayMs = 0;
  #bytesPerS = Number.POSITIVE_INFINITY;
  port = 0;
  connections = 0;
  bytesUp = 0;
  bytesDown = 0;

  constructor(options: FaultProxyOptions) {
    this.#to = options.to;
    this.#wishedPort = options.listen ?? 0;
  }

  async start(): Promise<this> {
    await this.#listen(this.port === 0 ? this.#wishedPort : this.port);
    return this;
  }

  /** Resets all connections and refuses new ones. */
  async cut(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = server === undefined ? undefined : once(server, "close");
    server?.close();
    this.drop();
    await closed;
  }

  /** Resets all connections; new ones are taken. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Everything that arrives is swallowed, in both directions, and nobody is told; connections are accepted. */
  halfOpen(): void {
    this.#swallow = true;
  }

  /** No fault any more. Links that were half-open stay spoilt: they are dropped. */
  async restore(): Promise<void> {
    if (this.#swallow) this.drop();
    this.#swallow = false;
    this.#delayMs = 0;
    this.#bytesPerS = Number.POSITIVE_INFINITY;
    if (this.#server === undefined) await this.#listen(this.port);
  }

  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** Bytes per second and direction of each connection. */
  rate(bytesPerS: number): void {
    this.#bytesPerS = bytesPerS;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cut();
  }

  async #listen(port: number): Promise<void> {
    const server = createServer((socket) => this.#accept(socket));
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    this.#server = server;
    const address = server.address();
    if (address !== null && typeof address === "object") this.port = address.port;
  }

  #accept(client: Socket): void {
    this.connections++;
    const server = connect(this.#to.port, this.#to.host);
    this.#pipe(client, server, (bytes) => {
      this.bytesUp += bytes;
    });
    this.#pipe(server, client, (bytes) => {
      this.bytesDown += bytes;
    });
  }

  #pipe(from: Socket, to: Socket, count: (bytes: number) => void): void {
    let freeAtMs = 0;
    let queued = 0;
    from.setNoDelay(true);
    this.#sockets.add(from);
    from.on("error", () => from.destroy());
    from.on("close", () => {
      this.#sockets.delete(from);
      // A link that is half-open is one of which the other end does not hear that it died.
      if (!this.#swallow) setTimeout(() => to.destroy(), this.#delayMs);
    });
    from.on("data", (chunk: Buffer) => {
      if (this.#swallow) return;
      count(chunk.length);
      freeAtMs = Math.max(freeAtMs, performance.now()) + (chunk.length / this.#bytesPerS) * 1000;
      const waitMs = freeAtMs - performance.now() + this.#delayMs;
      if (waitMs < 1) {
        if (!to.write(chunk)) this.#untilDrained(from, to);
        return;
      }
      queued += chunk.length;
      // What a slow link holds is bounded: the sender feels it.
      if (queued > 65_536) from.pause();
      setTimeout(() => {
        queued -= chunk.length;
        if (!this.#swallow && !to.destroyed) to.write(chunk);
        if (queued <= 65_536) from.resume();
      }, waitMs);
    });
  }

  #untilDrained(from: Socket, to: Socket): void {
    from.pause();
    to.once("drain", () => from.resume());
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { listen: { type: "string" }, to: { type: "string" } } });
  const [, host, port] = /^(.+):(\d+)$/.exec(values.to ?? "") ?? [];
  if (host === undefined) throw new Error("usage: fault-proxy.ts --listen PORT --to HOST:PORT");
  const proxy = await new FaultProxy({ listen: Number(values.listen ?? 0), to: { host, port: Number(port) } }).start();
  process.stdout.write(`listening on 127.0.0.1:${proxy.port}\n`);
  const commands: Readonly<Record<string, (value: number) => unknown>> = {
    cut: () => proxy.cut(),
    drop: () => proxy.drop(),
    "half-open": () => proxy.halfOpen(),
    restore: () => proxy.restore(),
    delay: (ms) => proxy.delay(ms),
    rate: (bytesPerS) => proxy.rate(bytesPerS),
    count: () =>
      process.stdout.write(`connections ${proxy.connections} up ${proxy.bytesUp} down ${proxy.bytesDown} bytes\n`),
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const [name = "", value = "0"] = line.trim().split(/\s+/);
    const command = commands[name];
    if (command === undefined) process.stdout.write(`commands: ${Object.keys(commands).join(", ")}\n`);
    else await command(Number(value));
  }
  await proxy.cut();
}

if (import.meta.main) await main();
