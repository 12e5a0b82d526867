/** Stands between a gateway and its broker and counts what the gateway sends: every byte above TCP. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export class Meter implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** So far. */
  bytes = 0;

  private constructor(brokerPort: number) {
    this.#server = createServer((socket) => this.#join(socket, connect(brokerPort, "127.0.0.1")));
  }

  static async before(brokerPort: number): Promise<Meter> {
    const meter = new Meter(brokerPort);
    meter.#server.listen(0, "127.0.0.1");
    await once(meter.#server, "listening");
    return meter;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, "close");
  }

  #join(gateway: Socket, broker: Socket): void {
    gateway.on("data", (chunk) => {
      this.bytes += chunk.length;
    });
    gateway.pipe(broker);
    broker.pipe(gateway);
    for (const [socket, other] of [
      [gateway, broker],
      [broker, gateway],
    ] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }
}
