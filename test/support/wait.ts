import { once } from "node:events";
import { connect, createServer } from "node:net";
import { availableParallelism, loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** How many of a minute's programs share a core: 1 where each has its own, and what takes a second there takes a second. */
export function crowding(): number {
  return Math.max(1, loadavg()[0]! / availableParallelism());
}

/** Waits until `holds` is true; throws after `timeoutMs` of a machine of our own, saying what was waited for. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs: number): Promise<void> {
  const since = performance.now();
  while (!(await holds())) {
    const waitedMs = performance.now() - since;
    if (waitedMs > timeoutMs * crowding()) throw new Error(`waited ${Math.round(waitedMs)} ms in vain: ${what}`);
    await sleep(50);
  }
}

/** A TCP port that is free on the loopback interface now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}

/** Whether anybody listens on a port of this machine. */
export async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
