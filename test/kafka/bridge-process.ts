/** A real bridge process under test, watched as an operator would: by its health page. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { freePort } from "../support/wait.ts";

const MAIN = fileURLToPath(new URL("../../daemon/cli/main.ts", import.meta.url));
const END_LIMIT_MS = 30_000;

export interface BridgeUnderTest {
  readonly dir: string;
  readonly id: string;
  readonly mqttUrl: string;
  readonly brokers: readonly string[];
  /** What differs from the defaults of these tests. */
  readonly bridge?: Readonly<Record<string, unknown>>;
  readonly mqtt?: Readonly<Record<string, unknown>>;
  readonly kafka?: Readonly<Record<string, unknown>>;
}

export interface BridgeHealth {
  readonly status: string;
  readonly problem: string | null;
  readonly owned: readonly number[];
  /** Those with something to tell. */
  readonly partitions: readonly Readonly<Record<string, unknown>>[];
  readonly oldest_unacknowledged_s: number;
}

export class BridgeProcess implements AsyncDisposable {
  readonly #options: BridgeUnderTest;
  readonly configFile: string;
  #page = "";
  #child: ChildProcess | undefined;
  stderr = "";

  constructor(options: BridgeUnderTest) {
    this.#options = options;
    this.configFile = join(options.dir, `bridge-${options.id}.yaml`);
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Does not wait until it is ready: that takes a moment, and may be what the test is about. */
  async start(): Promise<void> {
    await this.#configure();
    const child = spawn(process.execPath, [MAIN, "bridge", "run", "--config", this.configFile], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    child.stderr.on("data", (chunk: Buffer) => {
      this.stderr = (this.stderr + chunk.toString()).slice(-100_000);
      appendFileSync(join(this.#options.dir, `bridge-${this.#options.id}.log`), chunk);
    });
  }

  /** Undefined while it does not answer. */
  async health(): Promise<BridgeHealth | undefined> {
    try {
      const response = await fetch(`${this.#page}/healthz`, { signal: AbortSignal.timeout(2000) });
      return (await response.json()) as BridgeHealth;
    } catch {
      return undefined;
    }
  }

  /** SIGSTOP and SIGCONT; whatever ends it is `end`. */
  freeze(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child?.kill(signal);
  }

  /** Its exit code, when it has ended by itself. */
  async ended(): Promise<number | null> {
    const child = this.#child;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) await once(child, "exit");
    return child?.exitCode ?? null;
  }

  /** Ends it with that signal and returns its exit code (null when a signal ended it). */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const exited = once(child, "exit");
    child.kill(signal);
    const hard = setTimeout(() => child.kill("SIGKILL"), END_LIMIT_MS);
    const [code] = (await exited) as [number | null];
    clearTimeout(hard);
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
  }

  async #configure(): Promise<void> {
    const { id, mqttUrl, brokers, bridge, mqtt, kafka } = this.#options;
    const port = await freePort();
    this.#page = `http://127.0.0.1:${port}`;
    const config = {
      version: 1,
      bridge: { id, receipt_interval: "1 s", ...bridge },
      mqtt: { url: mqttUrl, ...mqtt },
      kafka: { brokers, partitions: 8, ...kafka },
      http: { listen: `127.0.0.1:${port}` },
    };
    writeFileSync(this.configFile, stringify(config));
  }
}
