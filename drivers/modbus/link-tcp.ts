/** A TCP connection to a Modbus device or serial server. */
import { connect, type Socket } from "node:net";
import { BusbarError, messageOf, systemCode } from "../../core/errors.ts";
import type { Link, LinkEvents } from "./link.ts";

export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

const CONNECT_TIMEOUT_MS = 3000;
const KEEP_ALIVE_MS = 10_000;
/** Many times the longest frame. */
const READ_BYTES = 4096;

/**
 * Connects. Throws BusbarError BUS_UNREACHABLE when that takes longer than 3 s, is refused, or the name is unknown; the
 * signal's reason when it aborts.
 */
export async function openTcp(
  address: TcpAddress,
  label: string,
  events: LinkEvents,
  signal: AbortSignal,
): Promise<Link> {
  signal.throwIfAborted();
  // One buffer for all that comes, and no stream on top: those are half of what a request costs.
  const buffer = new Uint8Array(READ_BYTES);
  const socket = connect({
    ...address,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
    onread: {
      buffer,
      callback: (length) => {
        events.onBytes(buffer.subarray(0, length));
        return true;
      },
    },
  });
  try {
    await connected(socket, label, signal);
  } catch (error) {
    socket.on("error", () => {});
    socket.destroy();
    throw error;
  }
  return new TcpLink(socket, label, events);
}

class TcpLink implements Link {
  readonly #socket: Socket;

  constructor(socket: Socket, label: string, events: LinkEvents) {
    this.#socket = socket;
    let why = "closed by the other side";
    socket.on("error", (error) => {
      why = `lost (${systemCode(error) ?? error.message})`;
    });
    socket.on("close", () => {
      events.onLost(new BusbarError("BUS_CLOSED", `${label}: connection ${why}`, { remedy: "it is opened again" }));
    });
  }

  write(bytes: Uint8Array): boolean {
    this.#socket.write(bytes);
    return this.#socket.writableLength === 0;
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {
    this.#socket.removeAllListeners("close");
    // A reset, not a farewell: embedded devices have few connections and keep half-closed ones for minutes.
    this.#socket.resetAndDestroy();
  }
}

function connected(socket: Socket, label: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      reject(unreachable(label, `no connection in ${CONNECT_TIMEOUT_MS} ms`));
    }, CONNECT_TIMEOUT_MS);
    const aborted = () => reject(signal.reason);
    const failed = (error: Error) => reject(unreachable(label, systemCode(error) ?? messageOf(error), error));
    const done = () => {
      clearTimeout(late);
      signal.removeEventListener("abort", aborted);
      socket.removeListener("error", failed);
    };
    signal.addEventListener("abort", aborted, { once: true });
    socket.once("error", failed);
    socket.once("connect", resolve);
    socket.once("connect", done);
    socket.once("close", done);
  });
}

function unreachable(label: string, why: string, cause?: unknown): BusbarError {
  const remedy = "check host, port, cable and that the device allows another connection";
  return new BusbarError("BUS_UNREACHABLE", `${label}: ${why}`, { remedy, cause });
}
