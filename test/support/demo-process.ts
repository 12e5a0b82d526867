/** A demo as a newcomer starts it, in a process group of its own: as a terminal has it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { until } from "./wait.ts";

export class DemoProcess {
  /** All that it has written. */
  said = "";
  readonly #child;

  /** Writes into `dir`. */
  constructor(t: TestContext, script: string, dir: string) {
    this.#child = spawn(process.execPath, [script, "--dir", dir], {
      env: { ...process.env, BUSBAR_SIM_DIR: dir },
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    t.after(() => this.#child.kill("SIGKILL"));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        this.said += chunk.toString();
      });
    }
  }

  /** Throws, with what it said, when it does not say it in time. */
  async says(what: string, pattern: RegExp, timeoutMs: number): Promise<void> {
    await until(what, () => pattern.test(this.said), timeoutMs).catch((error: Error) => {
      throw new Error(`${error.message}; ${this.said}`);
    });
  }

  /** Tells the whole group; the exit code. */
  async controlC(): Promise<number | null> {
    const ended = once(this.#child, "exit");
    process.kill(-(this.#child.pid ?? 0), "SIGINT");
    const [code] = (await ended) as [number | null];
    return code;
  }
}
