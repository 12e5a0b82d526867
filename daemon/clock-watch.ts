import { Worker } from "node:worker_threads";
import type { Logger } from "../core/log.ts";

const RESTART_MS = 5000;

/** Calls `onTrusted` once, when the system clock has become one to believe; never after `signal` aborted. */
export function watchClock(onTrusted: () => void, log: Logger, signal: AbortSignal): void {
  if (signal.aborted) return;
  const worker = new Worker(new URL("./clock-thread.ts", import.meta.url), { name: "clock" });
  const stop = (): void => void worker.terminate();
  let isTrusted = false;
  worker.unref();
  signal.addEventListener("abort", stop, { once: true });
  worker.on("message", () => {
    isTrusted = true;
    if (!signal.aborted) onTrusted();
  });
  worker.on("error", (error) => log.error("the clock cannot be watched; tried again", { error }));
  worker.on("exit", () => {
    signal.removeEventListener("abort", stop);
    if (!isTrusted && !signal.aborted) setTimeout(() => watchClock(onTrusted, log, signal), RESTART_MS).unref();
  });
}
