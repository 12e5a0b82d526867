/** CAN interfaces of the guest's kernel, and can-utils as foreign peers on them. */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { until } from "../../support/wait.ts";

/** Why tests are skipped outside of the guest, or false. */
export const NOT_GUEST: string | false =
  process.env.BUSBAR_VM_GUEST === "1" ? false : "needs a kernel with CAN and root in it: npm run test:vm";

/** Long enough for a process under TCG on a busy machine. */
export const SOON_MS = 15_000;

const execute = promisify(execFile);

/** Creates a vcan interface that takes FD frames, and brings it up. */
export function addVcan(name: string): void {
  ip("add", name, "type", "vcan");
  ip("set", name, "mtu", "72");
  ip("set", name, "up");
}

/** `ip link …`; blocks. */
export function ip(...args: string[]): void {
  execFileSync("ip", ["link", ...args]);
}

/** One process for each frame, in this order. */
export async function cansend(name: string, ...frames: string[]): Promise<void> {
  for (const frame of frames) await execute("cansend", [name, frame]);
}

export async function cangen(name: string, ...args: string[]): Promise<void> {
  await execute("cangen", [name, ...args]);
}

/** Plays a log in which the interface is called `sim0`, at its own pace. */
export async function canplayer(name: string, file: string): Promise<void> {
  await execute("canplayer", ["-I", file, `${name}=sim0`]);
}

/** The lines of one of the kernel's receive lists for an interface, such as `["123", "c00007ff", …]`. */
export function receiveList(list: string, name: string): string[][] {
  const lines = readFileSync(`/proc/net/can/rcvlist_${list}`, "utf8").split("\n");
  return lines.map((line) => line.trim().split(/\s+/)).flatMap(([device, ...rest]) => (device === name ? [rest] : []));
}

export interface SeenFrame {
  readonly tUs: number;
  /** As `123#1122`. */
  readonly frame: string;
}

/** `candump -L` with error frames: what anybody else on the bus sees. */
export class Candump implements AsyncDisposable {
  readonly #child: ChildProcess;
  #text = "";

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on("data", (chunk: Buffer) => {
      this.#text += chunk.toString();
    });
  }

  /** Resolves when the kernel knows of it. */
  static async start(name: string): Promise<Candump> {
    const dump = new Candump(
      spawn("candump", ["-L", `${name},0:0,#FFFFFFFF`], { stdio: ["ignore", "pipe", "inherit"] }),
    );
    await until(`candump listens on ${name}`, () => receiveList("all", name).length > 0, SOON_MS);
    return dump;
  }

  lines(): SeenFrame[] {
    return [...this.#text.matchAll(/^\((\d+)\.(\d{6})\) \S+ (\S+)\n/gm)].map(([, seconds, micros, frame]) => ({
      tUs: Number(seconds) * 1_000_000 + Number(micros),
      frame: frame as string,
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await exited;
  }
}
