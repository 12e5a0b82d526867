/** One target of the fast path: its address, its socket, and how sending to it goes. */
import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { BusbarError, messageOf, systemCode } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { HostPort } from "../../core/schema.ts";

const REMEDIES: Readonly<Record<string, string>> = {
  ENETUNREACH: "no route; connect the network, or name another target",
  EHOSTUNREACH: "no such host on the network; check the address",
  EACCES: "not permitted; check the firewall and the service's sandbox",
  EPERM: "not permitted; check the firewall",
  ENOBUFS: "the network interface does not keep up; send less or use a faster link",
  EAGAIN: "the network interface does not keep up; send less or use a faster link",
  ENOTFOUND: "check the name and the DNS server, or name an address",
  EAI_AGAIN: "the DNS server does not answer; check the network, or name an address",
  EAFNOSUPPORT: "this machine has no such address family; name another target",
};
const LOOPBACK = "127.0.0.1";

/** Shared by all targets of an address family: the socket, and whether its multicast stays on this machine. */
export class Outlet {
  readonly socket: Socket;
  readonly family: 4 | 6;
  ready = false;
  loopbackOnly = false;

  constructor(family: 4 | 6, onError: (error: Error) => void) {
    this.family = family;
    // Addresses are resolved before: a lookup that answers at once is what makes send() reach the kernel before it
    // returns, so that the datagram is ahead of everything else and its buffer can be used again.
    this.socket = createSocket({
      type: family === 4 ? "udp4" : "udp6",
      lookup: (address, _options, done) => done(null, address, family),
    });
    this.socket.on("error", onError);
    this.socket.on("listening", () => this.#configure());
  }

  /** Opens the socket unless it is open: again after an error, which `onError` was told. */
  open(): void {
    if (!this.ready) this.socket.bind({ port: 0, exclusive: true });
  }

  /** Multicast needs a route: without one it goes to this machine alone, where people look at it too. */
  useLoopback(only: boolean): void {
    if (this.family === 4) this.socket.setMulticastInterface(only ? LOOPBACK : "0.0.0.0");
    this.loopbackOnly = only;
  }

  #configure(): void {
    this.socket.setMulticastTTL(1);
    this.socket.setMulticastLoopback(true);
    // A broadcast target is named in the configuration; the permission does nothing for others.
    if (this.family === 4) this.socket.setBroadcast(true);
    this.ready = true;
  }
}

export interface TargetOptions {
  readonly to: HostPort;
  /** Undefined after the sender was closed. */
  readonly outlet: (family: 4 | 6) => Outlet | undefined;
  readonly log: Logger;
}

export class Target {
  readonly label: string;
  errors = 0;
  /** What stands in the way now. */
  error: BusbarError | undefined;
  readonly #to: HostPort;
  readonly #outletFor: (family: 4 | 6) => Outlet | undefined;
  readonly #log: Logger;
  #address = "";
  #outlet: Outlet | undefined;
  #code: string | undefined;
  /** Errors at the last refresh. */
  #errorsSeen = 0;
  readonly #sent = (error: Error | null): void => this.#result(error ?? undefined);

  constructor(options: TargetOptions) {
    const { host, port } = options.to;
    this.label = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    this.#to = options.to;
    this.#outletFor = options.outlet;
    this.#log = options.log;
  }

  /** A datagram of `length` bytes goes to the kernel, or is counted as an error. Does not throw. */
  send(bytes: Uint8Array, length: number): void {
    if (this.#outlet?.ready !== true) {
      this.errors++;
      return;
    }
    try {
      this.#outlet.socket.send(bytes, 0, length, this.#to.port, this.#address, this.#sent);
    } catch (error) {
      this.#result(error);
    }
  }

  /** A target given as an address is ready at once. */
  useAddress(): void {
    const family = isIP(this.#to.host);
    if (family === 4 || family === 6) this.#settle(this.#to.host, family);
  }

  /**
   * Off the hot path, now and then: resolves a name (again after errors), finds out whether multicast has a route.
   * True when datagrams go another way than before.
   */
  async refresh(): Promise<boolean> {
    const failing = this.errors > this.#errorsSeen || this.error !== undefined;
    this.#errorsSeen = this.errors;
    const before = this.#address;
    if (isIP(this.#to.host) === 0 && (failing || this.#outlet === undefined)) await this.#lookUp();
    const outlet = this.#outlet;
    if (outlet?.ready === true && isMulticast(this.#address) && (failing || outlet.loopbackOnly)) {
      return await this.#chooseInterface(outlet);
    }
    return this.#address !== before;
  }

  async #chooseInterface(outlet: Outlet): Promise<boolean> {
    const only = !(await hasRoute(this.#address, this.#to.port));
    if (only === outlet.loopbackOnly) return false;
    try {
      outlet.useLoopback(only);
    } catch {
      return false; // closed meanwhile, or no loopback either: the error of sending stands
    }
    if (only) this.#log.warn(`fast path ${this.label}: no route; only this machine gets it until there is a network`);
    else this.#log.info(`fast path ${this.label}: the network is back`);
    return true;
  }

  async #lookUp(): Promise<void> {
    try {
      const { address, family } = await lookup(this.#to.host);
      this.#settle(address, family === 6 ? 6 : 4);
    } catch (error) {
      this.#fail(error);
    }
  }

  #settle(address: string, family: 4 | 6): void {
    this.#address = address;
    this.#outlet = this.#outletFor(family);
  }

  #result(error: unknown): void {
    if (error === undefined && this.#code === undefined) return;
    if (error === undefined) {
      this.#code = undefined;
      this.error = undefined;
      this.#log.info(`fast path ${this.label}: sending again`);
      return;
    }
    this.errors++;
    this.#fail(error);
  }

  /** Says it once for each kind of failure. */
  #fail(cause: unknown): void {
    const code = systemCode(cause) ?? "unknown";
    if (code === this.#code) return;
    this.#code = code;
    const what = `fast path ${this.label}: ${systemCode(cause) ?? messageOf(cause)}`;
    const remedy = REMEDIES[code] ?? "check the target and the network";
    this.error = new BusbarError("UPLINK_UNREACHABLE", what, { remedy, cause });
    this.#log.warn(this.error.message, { code });
  }
}

/** Whether the kernel knows a way to the address; sends nothing. */
function hasRoute(address: string, port: number): Promise<boolean> {
  const probe = createSocket(address.includes(":") ? "udp6" : "udp4");
  return new Promise<boolean>((resolve) => {
    probe.on("error", () => resolve(false));
    probe.on("connect", () => resolve(true));
    probe.connect(port, address);
  }).finally(() => probe.close());
}

function isMulticast(address: string): boolean {
  if (address.includes(":")) return /^ff/i.test(address);
  const first = Number.parseInt(address, 10);
  return first >= 224 && first <= 239;
}
