/** One of the demo's bridges: started again a while after somebody killed it. */
import type { ChildProcess } from "node:child_process";
import { startBusbar, stopBusbar } from "./busbar-process.ts";
import type { BridgeState } from "./demo-kafka-view.ts";

const REST_MS = 20_000;
const ASK_MS = 1000;

export class DemoBridge implements AsyncDisposable {
  readonly #id: string;
  readonly #page: string;
  readonly #configFile: string;
  readonly #logFile: string;
  #child: ChildProcess | undefined;
  #again: NodeJS.Timeout | undefined;
  #againMs = 0;
  #stopped = false;

  constructor(options: { id: string; page: string; configFile: string; logFile: string }) {
    this.#id = options.id;
    this.#page = options.page;
    this.#configFile = options.configFile;
    this.#logFile = options.logFile;
  }

  start(): void {
    const child = startBusbar(["bridge", "run", "--config", this.#configFile], this.#logFile);
    this.#child = child;
    child.once("exit", () => {
      this.#child = undefined;
      if (this.#stopped) return;
      this.#againMs = performance.now() + REST_MS;
      this.#again = setTimeout(() => this.start(), REST_MS);
    });
  }

  async state(): Promise<BridgeState> {
    const health = this.#child === undefined ? undefined : await this.#health();
    return {
      id: this.#id,
      page: this.#page,
      pid: this.#child?.pid,
      startsInS: Math.max(0, Math.ceil((this.#againMs - performance.now()) / 1000)),
      status: health?.status,
      owned: health?.owned ?? [],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#again);
    if (this.#child !== undefined) await stopBusbar(this.#child);
  }

  async #health(): Promise<{ readonly status: string; readonly owned: readonly number[] } | undefined> {
    try {
      const response = await fetch(`${this.#page}/healthz`, { signal: AbortSignal.timeout(ASK_MS) });
      return (await response.json()) as { status: string; owned: number[] };
    } catch {
      return undefined;
    }
  }
}
