import { setTimeout as sleep } from "node:timers/promises";
import { type Transferable, Worker } from "node:worker_threads";
import type { Logger } from "../core/log.ts";

export interface ThreadOptions<From> {
  readonly name: string;
  readonly url: URL;
  readonly workerData: unknown;
  readonly onMessage: (message: From) => void;
  readonly log: Logger;
}

const RESTART_MS = 1000;

/** One worker thread that is started again when it dies, told what to do by messages, and stopped in order. */
export class ThreadHandle<To, From extends { readonly type: string }> {
  readonly #options: ThreadOptions<From>;
  readonly #waiting = new Map<string, (message: From) => void>();
  #worker: Worker | undefined;
  #stopping = false;

  constructor(options: ThreadOptions<From>) {
    this.#options = options;
  }

  start(): void {
    const { name, url, workerData, log } = this.#options;
    const worker = new Worker(url, { name, workerData });
    this.#worker = worker;
    worker.on("message", (message: From) => this.#message(message));
    worker.on("error", (error) => log.error(`the ${name} thread failed; it is started again`, { error }));
    worker.on("exit", () => {
      if (this.#stopping) return;
      this.#worker = undefined;
      setTimeout(() => this.#stopping || this.start(), RESTART_MS);
    });
  }

  post(message: To, transfer: Transferable[] = []): void {
    this.#worker?.postMessage(message, transfer);
  }

  /** The next message of that type, or undefined after `timeoutMs`. */
  next<T extends From["type"]>(type: T, timeoutMs: number): Promise<Extract<From, { type: T }> | undefined> {
    const arrived = new Promise<From>((resolve) => this.#waiting.set(type, resolve));
    const late = sleep(timeoutMs, undefined, { ref: false });
    return Promise.race([arrived, late]) as Promise<Extract<From, { type: T }> | undefined>;
  }

  /** Asks the thread to stop and waits for `stopped`; after `timeoutMs` it is ended without being asked. */
  async stop(message: To, timeoutMs: number): Promise<boolean> {
    this.#stopping = true;
    if (this.#worker === undefined) return true;
    const stopped = this.next("stopped" as From["type"], timeoutMs);
    this.post(message);
    const clean = (await stopped) !== undefined;
    await this.#worker.terminate();
    return clean;
  }

  #message(message: From): void {
    const waiting = this.#waiting.get(message.type);
    this.#waiting.delete(message.type);
    waiting?.(message);
    this.#options.onMessage(message);
  }
}
