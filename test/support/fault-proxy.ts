/**
 * A TCP proxy that spoils links. By hand: `node test/support/fault-proxy.ts --listen PORT --to HOST:PORT`, then commands
 * on stdin; `--help` names them. It ends TCP on both sides, so it cannot lose a packet: `loss` makes the pauses that lost
 * packets leave behind retransmission, in order and with all that follows waiting.
 */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

export interface FaultProxyOptions {
  /** Port to listen on; default: any. */
  readonly listen?: number;
  readonly to: { readonly host: string; readonly port: number };
  /** 0 ≤ random() < 1, for `loss`. */
  readonly random?: () => number;
}

/** To the server, or from it. */
export type Direction = "up" | "down";

/** TCP's first retransmission comes after 200 ms on a fast path, then each time after twice as long (RFC 6298). */
const RETRANSMIT_MS = 200;
const MAX_RETRANSMIT_MS = 6400;

export class FaultProxy {
  readonly #to: { readonly host: string; readonly port: number };
  readonly #wishedPort: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #swallow = false;
  #delayMs = 0;
  #bytesPerS = Number.POSITIVE_INFINITY;
  #loss = 0;
  /** Bytes that still pass before a link ends in the middle of whatever it carries. */
  readonly #left: Record<Direction, number> = { up: Number.POSITIVE_INFINITY, down: Number.POSITIVE_INFINITY };
  readonly #random: () => number;
  port = 0;
  connections = 0;
  bytesUp = 0;
  bytesDown = 0;

  constructor(options: FaultProxyOptions) {
    this.#to = options.to;
    this.#wishedPort = options.listen ?? 0;
    this.#random = options.random ?? Math.random;
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
    this.#loss = 0;
    this.#left.up = Number.POSITIVE_INFINITY;
    this.#left.down = Number.POSITIVE_INFINITY;
    if (this.#server === undefined) await this.#listen(this.port);
  }

  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** Bytes per second and direction of each connection. */
  rate(bytesPerS: number): void {
    this.#bytesPerS = bytesPerS;
  }

  /** So many of a hundred pieces pause until their retransmission, once or several times. */
  loss(percent: number): void {
    this.#loss = Math.min(Math.max(percent, 0), 95) / 100;
  }

  /** After so many more bytes in that direction, over all links, the link that carries them ends, mid-packet; once. */
  truncate(bytes: number, direction: Direction = "up"): void {
    this.#left[direction] = bytes;
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
    this.#pipe(client, server, "up");
    this.#pipe(server, client, "down");
  }

  #pipe(from: Socket, to: Socket, direction: Direction): void {
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
    from.on("data", (data: Buffer) => {
      if (this.#swallow) return;
      const chunk = this.#counted(data, direction);
      if (chunk.length < data.length) {
        to.end(chunk);
        from.destroy();
        return;
      }
      freeAtMs = Math.max(freeAtMs, performance.now()) + (chunk.length / this.#bytesPerS) * 1000 + this.#pauseMs();
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

  /** What passes of it. */
  #counted(data: Buffer, direction: Direction): Buffer {
    const chunk = data.subarray(0, this.#left[direction]);
    this.#left[direction] -= chunk.length;
    if (chunk.length < data.length) this.#left[direction] = Number.POSITIVE_INFINITY;
    if (direction === "up") this.bytesUp += chunk.length;
    else this.bytesDown += chunk.length;
    return chunk;
  }

  #pauseMs(): number {
    let pauseMs = 0;
    for (let stepMs = RETRANSMIT_MS; stepMs <= MAX_RETRANSMIT_MS && this.#random() < this.#loss; stepMs *= 2)
      pauseMs += stepMs;
    return pauseMs;
  }

  #untilDrained(from: Socket, to: Socket): void {
    from.pause();
    to.once("drain", () => from.resume());
  }
}

const HELP = `usage: node test/support/fault-proxy.ts --listen PORT --to HOST:PORT
Commands on stdin, one a line:
  cut                  reset all links, refuse new ones
  drop                 reset all links, take new ones
  half-open            swallow all that comes, tell nobody
  delay MS             hold everything back, each way
  rate BYTES_PER_S     per link and direction
  loss PERCENT         so many pieces pause as if TCP had to send them again
  truncate BYTES [up|down]   after so many bytes to (up) or from (down) the server end the link, mid-packet; once
  restore              no fault any more
  count                connections and bytes so far
`;

async function main(): Promise<void> {
  const options = { listen: { type: "string" }, to: { type: "string" }, help: { type: "boolean" } } as const;
  const { values } = parseArgs({ options });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const [, host, port] = /^(.+):(\d+)$/.exec(values.to ?? "") ?? [];
  if (host === undefined) throw new Error(HELP);
  const proxy = await new FaultProxy({ listen: Number(values.listen ?? 0), to: { host, port: Number(port) } }).start();
  process.stdout.write(`listening on 127.0.0.1:${proxy.port}\n`);
  const commands: Readonly<Record<string, (value: number, word: string) => unknown>> = {
    cut: () => proxy.cut(),
    drop: () => proxy.drop(),
    "half-open": () => proxy.halfOpen(),
    restore: () => proxy.restore(),
    delay: (ms) => proxy.delay(ms),
    rate: (bytesPerS) => proxy.rate(bytesPerS),
    loss: (percent) => proxy.loss(percent),
    truncate: (bytes, direction) => proxy.truncate(bytes, direction === "down" ? "down" : "up"),
    count: () =>
      process.stdout.write(`connections ${proxy.connections} up ${proxy.bytesUp} down ${proxy.bytesDown} bytes\n`),
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const [name = "", value = "0", word = ""] = line.trim().split(/\s+/);
    const command = commands[name];
    if (command === undefined) process.stdout.write(HELP);
    else await command(Number(value), word);
  }
  await proxy.cut();
}

if (import.meta.main) await main();
