import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BusbarError, systemCode } from "../../core/errors.ts";
import type { BusSetup, CanBus, CanFrame } from "./bus.ts";
import { CandumpParser } from "./candump.ts";

/** Where the simulated bus of that name is offered: a unix domain socket, in BUSBAR_SIM_DIR or the system's temp folder. */
export function simSocketPath(bus: string, environment: NodeJS.ProcessEnv = process.env): string {
  return join(environment.BUSBAR_SIM_DIR ?? join(tmpdir(), "busbar-sim"), `${bus}.sock`);
}

/**
 * `sim:<bus>`: the simulator listens, we connect and read lines as `candump -L` writes them. The time in a line stands
 * for the kernel's receive stamp.
 */
export class SimBus implements CanBus {
  readonly #path: string;
  readonly #setup: BusSetup;

  constructor(path: string, setup: BusSetup) {
    this.#path = path;
    this.#setup = setup;
  }

  run(onFrame: (frame: CanFrame) => void, signal: AbortSignal): Promise<void> {
    const { label, clock, log } = this.#setup;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (signal.aborted) return Promise.resolve();
    const parser = new CandumpParser(onFrame, (systemUs) => clock.fromSystemUs(systemUs));
    const socket = connect({ path: this.#path });
    const stop = (): void => void socket.destroy();
    signal.addEventListener("abort", stop, { once: true });
    socket.on("data", (chunk: Buffer) => {
      try {
        if (!signal.aborted) parser.push(chunk);
      } catch (error) {
        reject(error);
        socket.destroy();
      }
    });
    socket.on("error", (cause) => reject(this.#failure(cause)));
    socket.on("close", () => {
      signal.removeEventListener("abort", stop);
      const discarded = parser.discardedLines;
      if (discarded > 0) log.warn("lines that are no CAN frames were discarded", { bus: label, lines: discarded });
      if (signal.aborted) resolve();
      else reject(closed(label));
    });
    return promise;
  }

  #failure(cause: Error): BusbarError {
    const { label } = this.#setup;
    const code = systemCode(cause);
    if (code === "ENOENT" || code === "ECONNREFUSED") {
      const remedy = "start it with `npm run sim`";
      return new BusbarError("BUS_MISSING", `${label}: no simulated bus at ${this.#path}`, { remedy, cause });
    }
    if (code === "EACCES" || code === "EPERM") {
      const remedy = "run both as the same user";
      return new BusbarError("BUS_DENIED", `${label}: no permission to open ${this.#path}`, { remedy, cause });
    }
    const remedy = "check that the simulator runs; BUSBAR_SIM_DIR names its folder";
    return new BusbarError("BUS_CLOSED", `${label}: ${cause.message}`, { remedy, cause });
  }
}

function closed(label: string): BusbarError {
  return new BusbarError("BUS_CLOSED", `${label}: the simulator closed the bus`, {
    remedy: "see whether it still runs",
  });
}
