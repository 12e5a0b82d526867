import { setTimeout as sleep } from "node:timers/promises";
import { type Transferable, Worker } from "node:worker_threads";
import type { Logger } from "../core/log.ts";

export interface ThreadOptions<From> {
  readonly name: string;
  readonly url: URL;
  readonly workerData: unknown;
  readonly onMessage: (message: From) => void;
  /** The thread died after it was ready: what it was told and had not made safe is lost. */
  readonly onLost?: () => void;
  readonly log: Logger;
  readonly restartMs?: number;
  /** Its heap; default: as much as the process may have. */
  readonly maxOldGenerationSizeMb?: number;
  /** What of it is for what lives shortly: more is faster by little, and is not given back. */
  readonly maxYoungGenerationSizeMb?: number;
}

interface Held<To> {
  readonly message: To;
  readonly transfer: Transferable[];
}

const RESTART_MS = 1000;
/** Messages that wait for a thread to be ready. */
const MAX_HELD = 1000;

/**
 * One worker thread that is started again when it dies, told what to do by messages, and stopped in order. It says
 * `ready` when it takes messages; until then, and while it is dead, they wait here.
 */
export class ThreadHandle<To, From extends { readonly type: string }> {
  readonly #options: ThreadOptions<From>;
  readonly #waiting = new Map<string, (message: From | undefined) => void>();
  readonly #held: Held<To>[] = [];
  #worker: Worker | undefined;
  #ready = false;
  #stopping = false;

  constructor(options: ThreadOptions<From>) {
    this.#options = options;
  }

  start(): void {
    const { name, url, workerData, maxOldGenerationSizeMb, maxYoungGenerationSizeMb } = this.#options;
    const resourceLimits = {
      ...(maxOldGenerationSizeMb === undefined ? {} : { maxOldGenerationSizeMb }),
      ...(maxYoungGenerationSizeMb === undefined ? {} : { maxYoungGenerationSizeMb }),
    };
    const worker = new Worker(url, { name, workerData, resourceLimits });
    let failure: unknown;
    this.#worker = worker;
    worker.on("message", (message: From) => this.#message(message));
    worker.on("error", (error) => {
      failure = error;
    });
    worker.on("exit", (code) => this.#ended(failure ?? new Error(`it ended with exit code ${code}`)));
  }

  post(message: To, transfer: Transferable[] = []): void {
    if (this.#ready) this.#worker?.postMessage(message, transfer);
    else this.#hold({ message, transfer });
  }

  /** The next message of that type, or undefined after `timeoutMs`. */
  next<T extends From["type"]>(type: T, timeoutMs: number): Promise<Extract<From, { type: T }> | undefined> {
    const arrived = new Promise<From | undefined>((resolve) => this.#waiting.set(type, resolve));
    const late = sleep(timeoutMs, undefined, { ref: false });
    return Promise.race([arrived, late]) as Promise<Extract<From, { type: T }> | undefined>;
  }

  /**
   * Asks the thread to stop and waits for `stopped`; after `timeoutMs` it is ended without being asked. One that is dead
   * is started for what waits for it. False: it did not stop in order.
   */
  async stop(message: To, timeoutMs: number): Promise<boolean> {
    if (this.#stopping) return true;
    this.#stopping = true;
    if (this.#worker === undefined) this.start();
    const stopped = this.next("stopped" as From["type"], timeoutMs);
    this.post(message);
    const clean = (await stopped) !== undefined;
    await this.#worker?.terminate();
    return clean;
  }

  #message(message: From): void {
    if (message.type === "ready") this.#release();
    this.#answer(message.type, message);
    this.#options.onMessage(message);
  }

  #answer(type: string, message: From | undefined): void {
    const waiting = this.#waiting.get(type);
    this.#waiting.delete(type);
    waiting?.(message);
  }

  #ended(failure: unknown): void {
    const { name, log, onLost, restartMs = RESTART_MS } = this.#options;
    const wasReady = this.#ready;
    this.#worker = undefined;
    this.#ready = false;
    if (this.#stopping) {
      this.#answer("stopped", undefined);
      return;
    }
    // First: the lines of the log may go by way of this thread.
    if (wasReady) onLost?.();
    log.error(`the ${name} thread died; it is started again`, { error: failure });
    setTimeout(() => this.#stopping || this.start(), restartMs);
  }

  #hold(held: Held<To>): void {
    this.#held.push(held);
    if (this.#held.length <= MAX_HELD) return;
    // What carries memory is bounded and counted by its sender, who waits for an answer to each.
    const oldest = this.#held.findIndex(({ transfer }) => transfer.length === 0);
    if (oldest !== -1) this.#held.splice(oldest, 1);
  }

  #release(): void {
    this.#ready = true;
    for (const { message, transfer } of this.#held.splice(0)) this.#worker?.postMessage(message, transfer);
  }
}
