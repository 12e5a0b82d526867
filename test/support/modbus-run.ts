/** Runs a Modbus driver and keeps what it emits and reports, by asset and signal name. */
import { SystemClock } from "../../core/clock.ts";
import type { BusbarError } from "../../core/errors.ts";
import { type LogEntry, Logger } from "../../core/log.ts";
import type { Batch, Quality, Value } from "../../core/sample.ts";
import { buildSignalTable } from "../../core/signals.ts";
import type { Driver } from "../../drivers/driver.ts";
import { modbusSourceConfig } from "../../drivers/modbus/config.ts";
import { createModbusDriver } from "../../drivers/modbus/driver.ts";
import { crowding } from "./wait.ts";

export interface SeenSample {
  readonly asset: string;
  readonly signal: string;
  readonly value: Value;
  readonly quality: Quality;
  readonly tUs: number;
  /** Number of the batch that it came in. */
  readonly batch: number;
}

export class DriverRun {
  readonly samples: SeenSample[] = [];
  readonly batches: Batch[] = [];
  readonly reports: { asset: string; error: BusbarError | undefined }[] = [];
  readonly logs: LogEntry[] = [];
  readonly driver: Driver;
  /** Resolves when the driver ended, with what it rejected with. */
  readonly ended: Promise<unknown>;
  readonly #abort = new AbortController();
  #changed: (() => void) | undefined;

  /** `source` is written like in the configuration file. */
  constructor(source: Record<string, unknown>) {
    this.driver = createModbusDriver(modbusSourceConfig.parse({ id: "line", driver: "modbus", ...source }));
    const table = buildSignalTable("gw", "test", this.driver.assets);
    const context = {
      clock: new SystemClock(),
      log: new Logger("line", (entry) => this.logs.push(entry)),
      number: (asset: string, name: string) => table.signals.find((s) => s.asset === asset && s.name === name)!.n,
      emit: (batch: Batch) => {
        this.batches.push(batch);
        for (const [i, n] of batch.numbers.entries()) {
          const { asset, name } = table.signals[n - 1]!;
          const [value, quality] = [batch.values[i]!, batch.quality[i]!];
          this.samples.push({ asset, signal: name, value, quality, tUs: batch.tUs, batch: this.batches.length });
        }
        this.#changed?.();
      },
      report: (asset: string, error: BusbarError | undefined) => {
        this.reports.push({ asset, error });
        this.#changed?.();
      },
      lost: () => undefined,
    };
    this.ended = this.driver.run(context, this.#abort.signal).then(
      () => undefined,
      (error: unknown) => error,
    );
  }

  of(asset: string, signal: string): SeenSample[] {
    return this.samples.filter((sample) => sample.asset === asset && sample.signal === signal);
  }

  /** Waits until something that was emitted or reported makes it true. */
  async until(what: string, holds: () => boolean, timeoutMs = 5000): Promise<void> {
    const late = AbortSignal.timeout(Math.round(timeoutMs * crowding()));
    while (!holds()) {
      await new Promise<void>((resolve, reject) => {
        this.#changed = resolve;
        void this.ended.then((error) => reject(new Error(`ended while waiting for ${what}`, { cause: error })));
        late.addEventListener("abort", () => reject(new Error(`waited ${timeoutMs} ms in vain: ${what}`)));
      });
    }
  }

  async stop(): Promise<unknown> {
    this.#abort.abort();
    return this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
