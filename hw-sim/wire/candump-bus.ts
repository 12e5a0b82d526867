/** A simulated CAN bus: a unix socket on which every client gets each frame as a line of `candump -L`. */
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { BusbarError, messageOf } from "../../core/errors.ts";

/** A client that does not read is let go at this many bytes: a bus does not wait. */
const MAX_UNREAD_BYTES = 256 * 1024;
/** sockaddr_un holds 108 bytes with the final zero. */
const MAX_PATH_BYTES = 107;
const US_PER_S = 1_000_000;

/** Where simulated buses are looked for. */
export function busDirectory(): string {
  return process.env.BUSBAR_SIM_DIR ?? join(tmpdir(), "busbar-sim");
}

export class CandumpBus implements AsyncDisposable {
  readonly path: string;
  readonly #clients = new Set<Socket>();
  #server: Server | undefined;
  /** Clients let go because they did not read. */
  dropped = 0;

  constructor(directory: string, name: string) {
    this.path = join(directory, `${name}.sock`);
  }

  get clients(): number {
    return this.#clients.size;
  }

  /** Throws BusbarError PORT_IN_USE (another simulator serves this bus) or BUS_MISSING. */
  async open(): Promise<void> {
    if (Buffer.byteLength(this.path) > MAX_PATH_BYTES) {
      throw new BusbarError(
        "BUS_MISSING",
        `simulated bus ${this.path}: the path is longer than ${MAX_PATH_BYTES} bytes`,
        {
          remedy: "set BUSBAR_SIM_DIR to a shorter one",
        },
      );
    }
    if (await isServed(this.path)) {
      throw new BusbarError("PORT_IN_USE", `simulated bus ${this.path}: another simulator serves it`, {
        remedy: "stop that one, or set BUSBAR_SIM_DIR to another folder",
      });
    }
    const server = createServer((socket) => this.#accept(socket));
    try {
      mkdirSync(dirname(this.path), { recursive: true });
      rmSync(this.path, { force: true });
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(this.path, resolve);
      });
      // A gateway under a user of its own is to connect too.
      chmodSync(this.path, 0o666);
    } catch (cause) {
      throw new BusbarError("BUS_MISSING", `simulated bus ${this.path}: ${messageOf(cause)}`, {
        remedy: "set BUSBAR_SIM_DIR to a folder that may be written",
        cause,
      });
    }
    this.#server = server;
  }

  /** Sends one line to everybody; how many got it. */
  send(line: string): number {
    let served = 0;
    for (const socket of this.#clients) {
      if (socket.destroyed || !socket.writable) continue;
      if (socket.writableLength > MAX_UNREAD_BYTES) {
        this.dropped++;
        socket.destroy();
        continue;
      }
      socket.write(line);
      served++;
    }
    return served;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#clients) socket.destroy();
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  #accept(socket: Socket): void {
    this.#clients.add(socket);
    // Nobody may send on a simulated bus: what comes is thrown away.
    socket.resume();
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#clients.delete(socket));
  }
}

/** `(1795226000.123456) sim0 1DB#0011223344556677` and a line feed; 11-bit ids have three digits. */
export function candumpLine(stampUs: number, id: number, data: Uint8Array): string {
  const seconds = Math.floor(stampUs / US_PER_S);
  const fraction = String(stampUs % US_PER_S).padStart(6, "0");
  const digits = id > 0x7ff ? 8 : 3;
  const hex = Buffer.from(data).toString("hex").toUpperCase();
  return `(${seconds}.${fraction}) sim0 ${id.toString(16).toUpperCase().padStart(digits, "0")}#${hex}\n`;
}

/** A socket file whose owner was killed refuses; one that is served accepts. */
function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
