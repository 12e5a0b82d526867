/** The load of all parts: 100 assets with ten signals each, one reading a second, values that move like a charger's. */
import { PackWriter } from "../../core/pack-writer.ts";
import type { Batch } from "../../core/sample.ts";
import { buildSignalTable, type SignalTable } from "../../core/signals.ts";
import { Random, Wander } from "../../hw-sim/random.ts";
import type { HandedOver } from "../../store-forward/outbox/pending.ts";

export const GATEWAY = "bench-store";
export const ASSETS = 100;
export const PUBLISH_INTERVAL_S = 10;

interface Quantity {
  readonly name: string;
  readonly unit: string;
  readonly mean: number;
  readonly deviation: number;
  readonly perUnit: number;
}

const phases = (head: string, quantity: Omit<Quantity, "name">, tail = ""): Quantity[] =>
  ["L1", "L2", "L3"].map((phase) => ({ ...quantity, name: `${head}${phase}${tail}` }));

/** The registers of hw-sim/scenarios/block-profile.yaml: six with a tenth, three whole, one with hundredths. */
export const QUANTITIES: readonly Quantity[] = [
  ...phases("Voltage.", { unit: "V", mean: 230, deviation: 1.5, perUnit: 10 }, "-N"),
  ...phases("Current.Import.", { unit: "A", mean: 16, deviation: 0.4, perUnit: 10 }),
  ...phases("Power.Active.Import.", { unit: "W", mean: 3680, deviation: 90, perUnit: 1 }),
  { name: "Frequency", unit: "Hz", mean: 50, deviation: 0.02, perUnit: 100 },
];
export const SAMPLES_PER_SECOND = ASSETS * QUANTITIES.length;

const BATCH_BYTES = 256;

export function signalTable(): SignalTable {
  const signals = QUANTITIES.map(({ name, unit, perUnit }) => {
    return { name, unit, type: "number", resolution: 1 / perUnit, maxAgeMs: 3000, collect: "every" } as const;
  });
  const ids = Array.from({ length: ASSETS }, (_, i) => `unit-${i + 1}`);
  return buildSignalTable(
    GATEWAY,
    "bench",
    ids.map((id) => ({ id, kind: "meter", source: "bench", profile: "sim-block", signals })),
  );
}

/** Hand-offs of one second each, in order; the same at every run. */
export class Load {
  readonly #startMs: number;
  readonly #wanders: readonly Wander[];
  /** One for all, as the field thread has it. */
  readonly #writer = new PackWriter(ASSETS * BATCH_BYTES);
  #second = 0;

  constructor(startMs: number) {
    this.#startMs = startMs;
    const random = new Random(1, "bench/store");
    this.#wanders = Array.from({ length: SAMPLES_PER_SECOND }, (_, i) => {
      return new Wander(random, QUANTITIES[i % QUANTITIES.length]?.deviation ?? 1, 30);
    });
  }

  next(): HandedOver {
    const atMs = this.#startMs + 1000 * this.#second;
    this.#second++;
    const writer = this.#writer;
    // One after the other, as polls of one line are.
    for (let asset = 0; asset < ASSETS; asset++) writer.add(this.#batch(asset, atMs * 1000 + 2000 * asset));
    const { samples } = writer;
    return { bytes: writer.take(), samples, watermark: atMs + 999, synced: true };
  }

  #batch(asset: number, tUs: number): Batch {
    const first = asset * QUANTITIES.length;
    return {
      tUs,
      numbers: QUANTITIES.map((_, i) => first + i + 1),
      values: QUANTITIES.map(({ mean, perUnit }, i) => {
        const value = mean + (this.#wanders[first + i]?.step(1) ?? 0);
        return Math.round(value * perUnit) / perUnit;
      }),
      quality: QUANTITIES.map(() => 0 as const),
    };
  }
}

/** `seconds` hand-offs in memory. */
export function handOffs(seconds: number, startMs: number): HandedOver[] {
  const load = new Load(startMs);
  return Array.from({ length: seconds }, () => load.next());
}
