/** Sessions of one simulated charger as the records of a gateway that polls it once a second; much faster than real time. */
import { type RecordHeader, sealRecord } from "../../core/record.ts";
import { blocks, registers } from "../../hw-sim/devices/abb-terra-ac.ts";
import { ModbusUnit } from "../../hw-sim/devices/device.ts";
import { Charger } from "../../hw-sim/models/charger.ts";
import { Grid } from "../../hw-sim/models/grid.ts";
import { Random } from "../../hw-sim/random.ts";

export interface ChargerRunOptions {
  readonly seed: number;
  readonly gateway: string;
  readonly asset: string;
  /** When it begins, milliseconds since 1970. */
  readonly fromMs: number;
  readonly maxCurrentA?: number;
  /** What cars take when they are not limited: at a box of 16 A most take more, some less. */
  readonly carCurrentA?: { readonly least: number; readonly most: number };
}

/** Coarser than the simulator's own steps; ramps and tapers take seconds. */
const STEP_S = 0.25;
const STEPS_PER_POLL = 1 / STEP_S;
const ROWS_PER_RECORD = 10;
const WORDS = 32;
const AT = 16_384;

export class ChargerRun {
  readonly box: Charger;
  readonly #unit: ModbusUnit<Charger>;
  readonly #grid: Grid;
  readonly #header: Omit<RecordHeader, "seq" | "t0">;
  #nowMs: number;
  #seq = 0;
  #rows: Record<string, unknown>[] = [];

  constructor({
    seed,
    gateway,
    asset,
    fromMs,
    maxCurrentA = 16,
    carCurrentA = { least: 10, most: 32 },
  }: ChargerRunOptions) {
    this.#grid = new Grid(new Random(seed, "grid"));
    this.box = new Charger(new Random(seed, asset), this.#grid, { maxCurrentA, firstPlugS: 5, carCurrentA });
    this.#unit = new ModbusUnit({ blocks, registers, model: this.box });
    const identity = { gw: gateway, asset, epoch: "k3f9a1c2", c: "t", boot: 1, sync: true, birth: "164043ef" } as const;
    this.#header = { k: "data", ...identity };
    this.#nowMs = fromMs;
  }

  /** The records of so many whole sessions, each up to the next idle moment. */
  *sessions(count: number): Generator<Buffer> {
    let left = count;
    let busy = this.box.plugged;
    while (left > 0) {
      for (let step = 0; step < STEPS_PER_POLL; step++) for (const model of [this.#grid, this.box]) model.step(STEP_S);
      this.#nowMs += 1000;
      this.#rows.push({ ...this.#unit.read(3, AT, WORDS)?.signals });
      if (busy && !this.box.plugged) left--;
      busy = this.box.plugged;
      if (this.#rows.length === ROWS_PER_RECORD || left === 0) yield this.#record();
    }
  }

  #record(): Buffer {
    const rows = this.#rows.splice(0);
    const names = Object.keys(rows[0] ?? {});
    const columns = Object.fromEntries(names.map((name) => [name, rows.map((row) => row[name])]));
    const t = rows.map((_, at) => (at === 0 ? 0 : 1000));
    const t0 = this.#nowMs - 1000 * (rows.length - 1);
    return sealRecord({ ...this.#header, seq: ++this.#seq, t0 }, `"g":${JSON.stringify([{ t, s: columns }])}`);
  }
}
