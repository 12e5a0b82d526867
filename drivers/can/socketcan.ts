/**
 * `socketcan:<interface>`, over the native package socketcan. What its source (native/can.cc, 4.3.1) does, and this file
 * answers for: it tells no reason when a channel cannot be opened; it swallows ENETDOWN, so an interface that goes down
 * raises no event; an interface that is unplugged raises `onStopped` and has already stopped the channel; an exception
 * in a listener is fatal to the process; error frames come as ordinary frames with `err`; an empty filter list is none;
 * a stopped channel keeps its socket, and the kernel's filters, until it is collected as garbage; and it may be collected
 * before libuv has let go of the two handles inside of it.
 */
import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { BusbarError } from "../../core/errors.ts";
import type { BusSetup, CanBus, CanFrame, FrameId } from "./bus.ts";
import type { Addon, RawChannel } from "./socketcan-addon.ts";
import { ReceiveLoss } from "./socketcan-loss.ts";
import { FrameReader } from "./socketcan-reader.ts";

/** What this file needs of the system, as an argument: a test has no CAN interface. */
export interface SocketCanSystem {
  load(): Promise<Addon>;
  /** A folder per network interface, with `type` and `flags`. */
  readonly interfaces: string;
  /** Where the kernel's counters are: rcvlist_*. */
  readonly counters: string;
  readonly pollMs: number;
}

export const LINUX: SocketCanSystem = {
  // Its one export as CommonJS: the named ones are Node's guess, which a bundle does not repeat.
  load: async () => (await import("socketcan")).default,
  interfaces: "/sys/class/net",
  counters: "/proc/net/can",
  // Half of what status promises: a lost interface is told within two seconds.
  pollMs: 500,
};
/** ARPHRD_CAN, IFF_UP, and the flags of a CAN id in filters: linux/if_arp.h, linux/if.h, linux/can.h. */
const ARPHRD_CAN = 280;
const IFF_UP = 1;
const EXTENDED_FLAG = 0x8000_0000;
const REMOTE_FLAG = 0x4000_0000;
/** More than a turn of the loop. */
const HELD_AFTER_STOP_MS = 1000;
/** Remote frames with the last 29-bit id: nobody sends them. */
const NOTHING = { id: 0xdfff_ffff, mask: 0xdfff_ffff };

export class SocketCanBus implements CanBus {
  readonly #name: string;
  readonly #setup: BusSetup;
  readonly #system: SocketCanSystem;

  constructor(name: string, setup: BusSetup, system: SocketCanSystem = LINUX) {
    this.#name = name;
    this.#setup = setup;
    this.#system = system;
  }

  async run(onFrame: (frame: CanFrame) => void, signal: AbortSignal): Promise<void> {
    const addon = await this.#addon();
    if (signal.aborted) return;
    const channel = this.#open(addon);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const loss = this.#lossOf();
    const reader = new FrameReader({ clock: this.#setup.clock, loss, onFrame, onError: reject });
    channel.addListener("onMessage", (message) => reader.take(message));
    channel.addListener("onStopped", () => reject(this.#closed("was removed", "plug the adapter in again")));
    channel.start();
    const timer = setInterval(() => void this.#look(loss).catch(reject), this.#system.pollMs);
    const abort = (): void => resolve();
    signal.addEventListener("abort", abort, { once: true });
    try {
      await promise;
    } finally {
      clearInterval(timer);
      signal.removeEventListener("abort", abort);
      reader.close();
      this.#tellLost(loss);
      stopQuietly(channel);
    }
  }

  async #addon(): Promise<Addon> {
    try {
      return await this.#system.load();
    } catch (cause) {
      const remedy = "install g++, make and python3, then run npm ci again";
      throw this.#missing("the socketcan addon is not installed", remedy, cause);
    }
  }

  #open(addon: Addon): RawChannel {
    this.#checkInterface();
    try {
      const channel = addon.createRawChannel(this.#name, true);
      channel.setRxFilters(this.#setup.wanted.map(filterOf));
      return channel;
    } catch (cause) {
      if (!existsSync("/proc/net/can")) {
        throw this.#missing("this kernel has no CAN (AF_CAN)", "load the modules can and can-raw", cause);
      }
      const remedy = `see \`ip -details link show ${this.#name}\` and whether the service may use AF_CAN`;
      throw this.#missing("the interface cannot be opened", remedy, cause);
    }
  }

  #checkInterface(): void {
    const type = readNumber(this.#file("type"));
    if (type === undefined) {
      const kernel = existsSync("/proc/net/can") ? "" : " (and this kernel has no AF_CAN loaded)";
      throw this.#missing(`there is no such interface${kernel}`, `see \`ip link show ${this.#name}\``);
    }
    if (type !== ARPHRD_CAN) throw this.#missing("this is no CAN interface", `see \`ip link show ${this.#name}\``);
    if (!isUp(readNumber(this.#file("flags")))) throw this.#closed("is down", this.#upRemedy());
  }

  #lossOf(): ReceiveLoss | undefined {
    const { wanted, clock, log, label } = this.#setup;
    if (wanted.length === 0) return undefined;
    const filters = wanted.map(filterOf);
    const loss = ReceiveLoss.adopt(this.#system.counters, this.#name, { filters, nowMs: clock.monoMs() });
    if (loss === undefined) {
      const remedy = "sysctl kernel.kptr_restrict=0 shows whose the kernel's counters are";
      log.warn("frames that the kernel drops cannot be counted", { bus: label, remedy });
    }
    return loss;
  }

  async #look(loss: ReceiveLoss | undefined): Promise<void> {
    await this.#watchLink();
    if (loss === undefined) return;
    const { clock } = this.#setup;
    // Of an interface that vanishes meanwhile the link says more than its counters.
    await loss.look(() => ({ systemUs: Date.now() * 1000 + 999, monoMs: clock.monoMs() })).catch(() => undefined);
    this.#tellLost(loss);
  }

  #tellLost(loss: ReceiveLoss | undefined): void {
    const lost = loss?.take();
    if (lost !== undefined) this.#setup.onLost(lost);
  }

  /** The addon is silent about an interface that went down. */
  async #watchLink(): Promise<void> {
    const flags = await readFile(this.#file("flags"), "utf8").catch(() => undefined);
    if (flags === undefined) throw this.#closed("was removed", "plug the adapter in again");
    if (!isUp(Number(flags))) throw this.#closed("went down", this.#upRemedy());
  }

  #file(name: string): string {
    return join(this.#system.interfaces, this.#name, name);
  }

  #upRemedy(): string {
    return `bring it up: \`ip link set ${this.#name} up type can bitrate 500000\` (the bitrate of your bus)`;
  }

  #missing(what: string, remedy: string, cause?: unknown): BusbarError {
    return new BusbarError("BUS_MISSING", `${this.#setup.label}: ${what}`, { remedy, cause });
  }

  #closed(what: string, remedy: string): BusbarError {
    return new BusbarError("BUS_CLOSED", `${this.#setup.label}: the interface ${what}`, { remedy });
  }
}

/** Exactly this id and format, data frames only. */
function filterOf({ id, extended }: FrameId): { id: number; mask: number } {
  const mask = EXTENDED_FLAG + REMOTE_FLAG + (extended ? 0x1fff_ffff : 0x7ff);
  return { id: extended ? EXTENDED_FLAG + id : id, mask };
}

function readNumber(path: string): number | undefined {
  try {
    return Number(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

function isUp(flags: number | undefined): boolean {
  return ((flags ?? 0) & IFF_UP) !== 0;
}

function stopQuietly(channel: RawChannel): void {
  try {
    channel.setRxFilters([NOTHING]);
    channel.setErrorFilters(0);
    channel.stop();
  } catch {
    // It has stopped by itself: the interface is gone.
  }
  // Its handles are closed at the end of this turn of the loop, but garbage is freed before that: the timer keeps it.
  setTimeout(() => channel, HELD_AFTER_STOP_MS).unref();
}
