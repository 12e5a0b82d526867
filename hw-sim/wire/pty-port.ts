/**
 * A serial port without hardware: socat holds the master of a pseudo terminal and joins it to two pipes. It ends with
 * its standard input, so that even a killed simulator leaves none behind.
 */
import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { backoff } from "../../core/backoff.ts";
import { BusbarError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { Channel, Output, Port } from "./port.ts";

type Socat = ChildProcessByStdio<Writable, Readable, Readable>;

const START_MS = 5000;
const STOP_MS = 500;
const READY = "starting data transfer loop";
const RETRY = { firstMs: 100, maxMs: 5000 };

export function socatIsThere(): boolean {
  return spawnSync("socat", ["-V"], { stdio: "ignore" }).status === 0;
}

export class PtyPort implements Port {
  readonly address: string;
  readonly #attach: (output: Output) => Channel;
  readonly #log: Logger;
  #socat: Socat | undefined;
  #wanted = false;
  #retry: NodeJS.Timeout | undefined;
  #delays = backoff(RETRY);

  /** `link` is the path under which the terminal appears. */
  constructor(link: string, attach: (output: Output) => Channel, log: Logger) {
    this.address = link;
    this.#attach = attach;
    this.#log = log;
  }

  get isOpen(): boolean {
    return this.#socat !== undefined;
  }

  /** Throws BusbarError BUS_MISSING. */
  async open(): Promise<void> {
    this.#wanted = true;
    if (this.#socat !== undefined) return;
    rmSync(this.address, { force: true });
    const socat = spawn("socat", ["-d", "-d", `pty,raw,echo=0,link=${this.address}`, "STDIO"], {
      // Ctrl-C goes to all of the terminal's group: the line must be there until whoever uses it has ended.
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
    });
    await this.#started(socat);
    this.#socat = socat;
    this.#join(socat);
  }

  /** The terminal goes away, as when an adapter is pulled out. */
  async close(): Promise<void> {
    this.#wanted = false;
    clearTimeout(this.#retry);
    const socat = this.#socat;
    this.#socat = undefined;
    if (socat !== undefined) await stop(socat);
    rmSync(this.address, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #started(socat: Socat): Promise<void> {
    let said = "";
    try {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`it did not start within ${START_MS} ms`)), START_MS);
        socat.once("error", reject);
        socat.once("exit", () => reject(new Error(said.trim() || "it ended at once")));
        socat.stderr.on("data", (bytes: Buffer) => {
          said = (said + bytes.toString()).slice(-2000);
          if (said.includes(READY)) resolve();
        });
        socat.once("spawn", () => timer.unref());
        socat.once("exit", () => clearTimeout(timer));
      });
    } catch (cause) {
      socat.kill("SIGKILL");
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new BusbarError("BUS_MISSING", `simulated serial line ${this.address}: socat: ${why}`, {
        remedy: "install socat, or use rtu_over_tcp in the scenario",
        cause,
      });
    }
  }

  #join(socat: Socat): void {
    const channel = this.#attach({
      write: (bytes) => {
        if (this.#socat !== socat || !socat.stdin.writable) return false;
        socat.stdin.write(bytes);
        return true;
      },
    });
    socat.stdout.on("data", (bytes: Buffer) => channel.push(bytes));
    // A pipe that breaks is told by "exit".
    socat.stdin.on("error", () => socat.kill());
    socat.once("exit", () => {
      channel.close();
      if (this.#socat !== socat) return;
      this.#socat = undefined;
      this.#log.warn("socat ended by itself, it is started again", { line: this.address });
      this.#again();
    });
  }

  #again(): void {
    this.#retry = setTimeout(() => {
      if (!this.#wanted) return;
      this.open().then(
        () => {
          this.#delays = backoff(RETRY);
        },
        (error: unknown) => {
          this.#log.warn("simulated serial line is not there", { error });
          this.#again();
        },
      );
    }, this.#delays.next().value);
  }
}

async function stop(socat: Socat): Promise<void> {
  if (socat.exitCode !== null || socat.signalCode !== null) return;
  const ended = once(socat, "exit");
  const hard = setTimeout(() => socat.kill("SIGKILL"), STOP_MS);
  socat.kill("SIGTERM");
  await ended;
  clearTimeout(hard);
}
