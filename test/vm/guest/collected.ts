/** A process of its own for collected.test.ts: stops a bus and collects garbage in the same turn of the loop. */
import { readFile } from "node:fs";
import { SystemClock } from "../../../core/clock.ts";
import { Logger } from "../../../core/log.ts";
import { SocketCanBus } from "../../../drivers/can/socketcan.ts";

const [, , name = "", rounds = "0"] = process.argv;

function setup() {
  const wanted = [{ id: 0x123, extended: false }];
  const nothing = (): void => undefined;
  const log = new Logger("test", nothing);
  return { label: name, clock: new SystemClock(), log, wanted, onLost: nothing };
}

/** In a callback of a file's, as when the interface's flags have been read: behind it come garbage, then closed handles. */
async function round(): Promise<void> {
  const abort = new AbortController();
  const running = new SocketCanBus(name, setup()).run(() => undefined, abort.signal);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await new Promise((resolve) => readFile("/proc/net/can/version", resolve));
  abort.abort();
  await running;
  globalThis.gc?.();
}

for (let i = 0; i < Number(rounds); i++) {
  await round();
  await new Promise((resolve) => setTimeout(resolve, 20));
}
console.log(`${rounds} rounds`);
