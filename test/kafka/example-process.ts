/** One of `examples/` as a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const LIMIT_MS = 60_000;

/** What tests look at of it. */
export interface Line {
  readonly says?: string;
  readonly t?: string;
  readonly v?: number;
  readonly session?: { readonly energyWh: number | null };
}

export interface Ended {
  readonly code: number | null;
  readonly stderr: string;
  /** Of stdout: JSON each. */
  readonly lines: readonly Line[];
}

export class ExampleProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown[]>;
  #stdout = "";
  stderr = "";

  constructor(name: string, args: readonly string[]) {
    const main = fileURLToPath(new URL(`../../examples/${name}/main.ts`, import.meta.url));
    const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe"], timeout: LIMIT_MS });
    this.#child = child;
    this.#closed = once(child, "close");
    child.stdout.on("data", (chunk: Buffer) => {
      this.#stdout += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
  }

  static async run(name: string, args: readonly string[]): Promise<Ended> {
    return await new ExampleProcess(name, args).end();
  }

  /** Resolves when it has ended by itself. */
  async end(): Promise<Ended> {
    const [code] = (await this.#closed) as [number | null];
    const lines = this.#stdout.split("\n").filter((line) => line !== "");
    return { code, stderr: this.stderr, lines: lines.map((line) => JSON.parse(line)) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#closed;
  }
}
