/** An outbox as the storage thread opens it, on a clock that the benchmark moves. */
import { Logger } from "../../core/log.ts";
import { hardwareHash } from "../../store-forward/outbox/hardware.ts";
import type { OutboxOptions, StoreClock } from "../../store-forward/outbox/options.ts";
import { Outbox } from "../../store-forward/outbox/outbox.ts";
import { GATEWAY, PUBLISH_INTERVAL_S, signalTable } from "./load.ts";

/** Time passes with the load, not with the machine: a thousand seconds of it are committed in a few. */
export class LoadClock implements StoreClock {
  #ms = 0;
  readonly #startMs: number;

  constructor(startMs: number) {
    this.#startMs = startMs;
  }

  monoMs(): number {
    return this.#ms;
  }
  wallMs(): number {
    return this.#startMs + this.#ms;
  }
  pass(ms: number): void {
    this.#ms += ms;
  }
}

export function openOutbox(path: string, clock: StoreClock, overrides: Partial<OutboxOptions> = {}): Outbox {
  const { birth, birthId } = signalTable();
  const outbox = new Outbox({
    path,
    gateway: GATEWAY,
    birth,
    birthId,
    budget: { maxBytes: 2 * 1024 ** 3, minFreeBytes: 0 },
    publishIntervalMs: PUBLISH_INTERVAL_S * 1000,
    synced: true,
    clock,
    log: new Logger("outbox", ({ level, text }) => {
      if (level === "error") throw new Error(`the outbox under measurement failed: ${text}`);
    }),
    // A gateway on this machine takes the file for its own.
    hardware: hardwareHash(GATEWAY),
    ...overrides,
  });
  outbox.open();
  return outbox;
}
