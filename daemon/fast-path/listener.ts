/** A socket that hears the fast path: multicast on every interface of this machine, and unicast and broadcast with it. */
import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import { BusbarError, messageOf, systemCode } from "../../core/errors.ts";

/** Interfaces come and go: a cable, a Wi-Fi network. */
const REJOIN_INTERVAL_MS = 5000;
/** A burst is held by the kernel while lines are printed; it may allow less. */
const RECEIVE_BUFFER_BYTES = 1 << 20;

export interface ListenOptions {
  readonly port: number;
  /** Multicast group to join; none for plain unicast and broadcast. */
  readonly group?: string;
  /** With a group: the address of the one interface to join it on. Without: the address to listen on. */
  readonly host?: string;
  readonly onDatagram: (bytes: Buffer) => void;
}

/** Hears datagrams from its `open` until `close`. */
export class FastPathListener {
  readonly #options: ListenOptions;
  readonly #socket: Socket;
  readonly #joined = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ListenOptions) {
    this.#options = options;
    const v6 = isIPv6(options.group ?? options.host ?? "");
    this.#socket = createSocket({ type: v6 ? "udp6" : "udp4", reuseAddr: true });
  }

  /** The port that is heard: another than asked for when that was 0. */
  get port(): number {
    return this.#socket.address().port;
  }

  /** Throws BusbarError PORT_IN_USE, or BUS_UNREACHABLE when the group cannot be joined on any interface. */
  async open(): Promise<void> {
    const { port, group, host, onDatagram } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#socket.once("error", (cause) => reject(bindError(`${host ?? "*"}:${port}`, cause)));
      this.#socket.bind({ port, ...(group === undefined && host !== undefined ? { address: host } : {}) }, resolve);
    });
    this.#socket.removeAllListeners("error");
    // A bound socket reports here what the network said about single datagrams; hearing goes on.
    this.#socket.on("error", () => undefined);
    this.#socket.on("message", onDatagram);
    try {
      this.#socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
    } catch {
      // The system's default does.
    }
    if (group === undefined) return;
    this.#join(group);
    if (this.#joined.size === 0) throw joinError(group, host);
    this.#timer = setInterval(() => this.#join(group), REJOIN_INTERVAL_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#socket.close();
  }

  #join(group: string): void {
    const present = this.#options.host === undefined ? interfacesFor(group) : [this.#options.host];
    for (const one of this.#joined) if (!present.includes(one)) this.#joined.delete(one);
    for (const one of present) {
      if (this.#joined.has(one)) continue;
      try {
        this.#socket.addMembership(group, one);
        this.#joined.add(one);
      } catch (error) {
        // A second address of an interface that is joined already. Anything else: the interface is not up to it now.
        if (systemCode(error) === "EADDRINUSE") this.#joined.add(one);
      }
    }
  }
}

function interfacesFor(group: string): string[] {
  const v6 = isIPv6(group);
  const found: string[] = [];
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    for (const { family, address } of addresses) {
      if (family === (v6 ? "IPv6" : "IPv4")) found.push(v6 ? `::%${name}` : address);
    }
  }
  return found;
}

function bindError(where: string, cause: unknown): BusbarError {
  const taken = systemCode(cause) === "EADDRINUSE";
  return new BusbarError(
    taken ? "PORT_IN_USE" : "BUS_UNREACHABLE",
    `udp ${where}: ${taken ? "another program has this port for itself" : messageOf(cause)}`,
    { remedy: taken ? "end it, or listen on another --port" : "give an address of this machine with --host", cause },
  );
}

function joinError(group: string, host: string | undefined): BusbarError {
  const where = host === undefined ? "any interface" : `the interface with address ${host}`;
  return new BusbarError("BUS_UNREACHABLE", `multicast group ${group} cannot be joined on ${where}`, {
    remedy: "give a multicast address (239.255.66.66) with --group, or listen to unicast with --host",
  });
}
