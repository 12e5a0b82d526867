/** A client that knows bytes and sockets, and nothing of the simulator's or the drivers' code. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

/** Waits for a condition; throws after `deadlineMs`. */
export async function until(what: string, holds: () => boolean, deadlineMs = 5000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`${what}: not within ${deadlineMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export class RawClient implements Disposable {
  readonly socket: Socket;
  received: Buffer = Buffer.alloc(0);
  closed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (bytes) => {
      this.received = Buffer.concat([this.received, bytes]);
    });
    socket.on("close", () => {
      this.closed = true;
    });
    socket.on("error", () => undefined);
  }

  static async to(target: { host: string; port: number } | string): Promise<RawClient> {
    const socket = typeof target === "string" ? connect(target) : connect(target.port, target.host);
    await once(socket, "connect");
    return new RawClient(socket);
  }

  /** Sends, and takes so many bytes off what came. */
  async ask(request: string, replyBytes: number): Promise<Buffer> {
    this.socket.write(hex(request));
    const deadline = AbortSignal.timeout(5000);
    while (this.received.length < replyBytes) await once(this.socket, "data", { signal: deadline });
    const reply = this.received.subarray(0, replyBytes);
    this.received = this.received.subarray(replyBytes);
    return reply;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

export interface LedgerLine {
  ts: number;
  asset: string;
  signals: Record<string, number | string>;
  spoilt?: boolean;
}

export function readLedger(path: string): LedgerLine[] {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.slice(0, -1).map((line) => JSON.parse(line) as LedgerLine);
}

/** The ledger's lines of an asset, once there are so many. */
export async function ledgerOf(path: string, asset: string, count: number): Promise<LedgerLine[]> {
  const lines = (): LedgerLine[] => readLedger(path).filter((line) => line.asset === asset);
  await until(`${count} ledger lines of ${asset}`, () => lines().length >= count);
  return lines();
}
