import type { Clock } from "../../../core/clock.ts";
import { SystemClock } from "../../../core/clock.ts";
import type { BusbarError } from "../../../core/errors.ts";
import { type LogEntry, Logger } from "../../../core/log.ts";
import type { Batch, Value } from "../../../core/sample.ts";
import type { CanFrame } from "../../../drivers/can/bus.ts";
import type { Driver, DriverContext, Loss } from "../../../drivers/driver.ts";

export const FIXTURES = new URL("../../fixtures/can/", import.meta.url);

/** Time that a test moves by hand. */
export class HandClock implements Clock {
  readonly synced = true;
  ms = 1000;
  monoMs(): number {
    return this.ms;
  }
  wallUs(): number {
    return 1_795_226_000_000_000 + this.ms * 1000;
  }
  fromSystemUs(systemUs: number): number {
    return systemUs;
  }
}

export interface Taken {
  readonly tUs: number;
  readonly asset: string;
  readonly values: Record<string, Value>;
  readonly quality: string;
}

/** A driver's context that keeps what it is told, under the signals' names. */
export class Recorder implements DriverContext {
  readonly clock: Clock;
  readonly log: Logger;
  readonly entries: LogEntry[] = [];
  readonly batches: Taken[] = [];
  readonly losses: Loss[] = [];
  readonly reports: { asset: string; code: string; text: string }[] = [];
  readonly #signals: { asset: string; name: string }[] = [];
  #waiting: (() => void)[] = [];

  constructor(driver: Pick<Driver, "assets">, clock: Clock = new SystemClock()) {
    this.clock = clock;
    this.log = new Logger("test", (entry) => this.entries.push(entry));
    for (const { id, signals } of driver.assets) {
      for (const { name } of signals) this.#signals.push({ asset: id, name });
    }
  }

  number(asset: string, signal: string): number {
    const index = this.#signals.findIndex((entry) => entry.asset === asset && entry.name === signal);
    if (index < 0) throw new Error(`not declared: ${asset} ${signal}`);
    return index + 1;
  }

  emit({ tUs, numbers, values, quality }: Batch): void {
    if (numbers.length !== values.length || numbers.length !== quality.length)
      throw new Error("arrays differ in length");
    const entries = numbers.map((n, index) => [this.#signals[n - 1]!.name, values[index] as Value] as const);
    const asset = this.#signals[numbers[0]! - 1]!.asset;
    this.batches.push({
      tUs,
      asset,
      values: Object.fromEntries(entries),
      quality: quality.map((q) => "gsb"[q]).join(""),
    });
    this.#wake();
  }

  report(asset: string, error: BusbarError | undefined): void {
    this.reports.push({ asset, code: error?.code ?? "ok", text: error?.message ?? "" });
    this.#wake();
  }

  lost(loss: Loss): void {
    this.losses.push(loss);
    this.#wake();
  }

  /** Resolves when `holds`, asked again after every batch, report and loss; the test's own time limit is the deadline. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

export function frame(id: number, hex: string, over: Partial<CanFrame> = {}): CanFrame {
  const data = Uint8Array.from(Buffer.from(hex, "hex"));
  return {
    id,
    extended: id > 0x7ff,
    fd: false,
    remote: false,
    error: false,
    data,
    tUs: 1_795_226_000_123_456,
    ...over,
  };
}
