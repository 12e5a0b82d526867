/**
 * Finds out that a path is back which swallowed packets. A connection attempt repeats its SYN after 1, 3, 7 and 15 s: one
 * that began in an outage sleeps for seconds after its end. So while an attempt waits, others are made beside it.
 */
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export interface ProbeOptions {
  readonly host: string;
  readonly port: number;
  /** Between attempts, and the patience of each. */
  readonly everyMs: number;
}

/** True as soon as an answer comes after at least one attempt without; false when the path was there at first, or on abort. */
export async function pathCameBack(options: ProbeOptions, signal: AbortSignal): Promise<boolean> {
  await sleep(options.everyMs, undefined, { signal }).catch(() => {});
  for (let missed = 0; !signal.aborted; missed++) {
    if (await answers(options, signal)) return missed > 0;
  }
  return false;
}

/** A refusal is an answer: the path is there. */
async function answers({ host, port, everyMs }: ProbeOptions, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const over = new AbortController();
  const socket = connect({ host, port });
  const stop = (): void => resolve(false);
  signal.addEventListener("abort", stop, { once: true });
  socket.once("connect", () => resolve(true));
  socket.on("error", (error: NodeJS.ErrnoException) => {
    // No route, no network: that answer is given at once, and the next attempt waits.
    if (error.code === "ECONNREFUSED" || error.code === "ECONNRESET") resolve(true);
  });
  const late = sleep(everyMs, false, { signal: over.signal }).catch(() => false);
  const answered = await Promise.race([promise, late]);
  over.abort();
  signal.removeEventListener("abort", stop);
  socket.destroy();
  return answered;
}
