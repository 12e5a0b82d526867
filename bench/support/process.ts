/** Real processes that benchmarks start: named in what they fail with, and never left behind. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

const STOP_TIMEOUT_MS = 20_000;
/** Of each process's output, for the message when it fails. */
const TAIL_CHARS = 2000;
const running = new Set<ChildProcess>();

process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

export interface StartOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export class Running {
  readonly name: string;
  readonly child: ChildProcess;
  #tail = "";
  readonly #inbox: unknown[] = [];

  constructor({ name, command, args, env = {} }: StartOptions, ipc = false) {
    this.name = name;
    this.child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ipc ? ["ignore", "pipe", "pipe", "ipc"] : ["ignore", "pipe", "pipe"],
      serialization: "advanced",
    });
    running.add(this.child);
    this.child.once("close", () => running.delete(this.child));
    // A program that is not there shows as an exit, with this as its output.
    this.child.on("error", (error) => this.#keep(error.message));
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on("data", (chunk: Buffer) => this.#keep(chunk.toString()));
    }
    this.child.on("message", (message) => this.#inbox.push(message));
  }

  get output(): string {
    return this.#tail;
  }

  /** The next message that a Node child sent. Throws when the process ends first, or after `timeoutMs`. */
  async message<T>(timeoutMs: number): Promise<T> {
    await this.until("message", () => this.#inbox.length > 0, timeoutMs);
    return this.#inbox.shift() as T;
  }

  /** Waits until `holds`; throws, with the process's last output, when it ends first or `timeoutMs` are over. */
  async until(what: string, holds: () => boolean, timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!holds()) {
      const { exitCode, signalCode } = this.child;
      if (exitCode !== null || signalCode !== null)
        throw this.#failed(`ended (${exitCode ?? signalCode}) before`, what);
      if (performance.now() > deadline) throw this.#failed(`took more than ${timeoutMs} ms for`, what);
      await sleep(20);
    }
  }

  /** Ends it, if need be by SIGKILL; how long that took in milliseconds. */
  async stop(signal: NodeJS.Signals = "SIGTERM", timeoutMs = STOP_TIMEOUT_MS): Promise<number> {
    const from = performance.now();
    if (!running.has(this.child)) return 0;
    const closed = once(this.child, "close");
    this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill("SIGKILL"), timeoutMs);
    await closed;
    clearTimeout(timer);
    return performance.now() - from;
  }

  #keep(text: string): void {
    this.#tail = (this.#tail + text).slice(-TAIL_CHARS);
  }

  #failed(how: string, what: string): Error {
    return new Error(`${this.name} ${how} ${what}; its last output:\n${this.#tail}`);
  }
}

/** A Node child that talks by messages; `module` is a file: URL. */
export function startNode(name: string, module: URL, args: readonly string[], env?: StartOptions["env"]): Running {
  const options = { name, command: process.execPath, args: [module.pathname, ...args] };
  return new Running(env === undefined ? options : { ...options, env }, true);
}
