/** The simulated depot as a process. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../hw-sim/main.ts", import.meta.url));
const DEPOT = fileURLToPath(new URL("../../hw-sim/scenarios/depot.yaml", import.meta.url));

interface Ready {
  readonly sources: readonly { readonly id: string; readonly interface?: string }[];
  readonly control: string;
  readonly ledger: string;
}

export class SimProcess implements AsyncDisposable {
  readonly sources: Ready["sources"];
  /** What the gateway needs in its environment to find the simulated CAN bus. */
  readonly simDir: string;
  readonly #ready: Ready;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess, ready: Ready, simDir: string) {
    this.#child = child;
    this.#ready = ready;
    this.sources = ready.sources;
    this.simDir = simDir;
  }

  static async start(dir: string, scenario: string = DEPOT): Promise<SimProcess> {
    const args = ["--scenario", scenario, "--ledger", join(dir, "ledger.jsonl"), "--dir", dir];
    const env = { ...process.env, BUSBAR_SIM_DIR: dir };
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "inherit"], env });
    for await (const line of createInterface({ input: child.stdout as NonNullable<typeof child.stdout> })) {
      return new SimProcess(child, (JSON.parse(line) as { ready: Ready }).ready, dir);
    }
    throw new Error("the simulator ended before it was ready");
  }

  ledger(): string {
    return readFileSync(this.#ready.ledger, "utf8");
  }

  /** `cut`, `restore`, `garble`, `late`, `freeze`, … of an asset or a line. */
  async command(verb: string, target: string): Promise<void> {
    const response = await fetch(`${this.#ready.control}/${verb}/${target}`, { method: "POST" });
    if (!response.ok) throw new Error(`${verb} ${target}: ${await response.text()}`);
  }

  /** Ends it in order, so that the ledger is whole. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await exited;
  }
}
