/** A bare unit of ten registers for benches: cheap to serve, and every value changes with each read. */
import type { Block, Register } from "./registers.ts";

/** Counts its reads; the values follow from the count. */
export class Counter {
  reads = 0;
}

const input = { fc: 4, type: "u16" } as const;

/** A value that walks up and down within `span`, at another pace for each register. */
function saw(reads: number, pace: number, span: number): number {
  const at = (reads * pace) % (2 * span);
  return at < span ? at : 2 * span - at;
}

export const blocks: readonly Block[] = [{ fc: 4, at: 0, words: 10 }];

export const registers: readonly Register<Counter>[] = [
  // The first register of a reply is encoded first: it counts the read.
  { ...input, unit: "V", per: 10, decimals: 1, name: "Voltage.L1-N", at: 0, raw: (c) => 2280 + saw(c.reads++, 1, 40) },
  { ...input, unit: "V", per: 10, decimals: 1, name: "Voltage.L2-N", at: 1, raw: (c) => 2280 + saw(c.reads, 3, 40) },
  { ...input, unit: "V", per: 10, decimals: 1, name: "Voltage.L3-N", at: 2, raw: (c) => 2280 + saw(c.reads, 7, 40) },
  { ...input, unit: "A", per: 10, decimals: 1, name: "Current.Import.L1", at: 3, raw: (c) => saw(c.reads, 1, 320) },
  { ...input, unit: "A", per: 10, decimals: 1, name: "Current.Import.L2", at: 4, raw: (c) => saw(c.reads, 3, 320) },
  { ...input, unit: "A", per: 10, decimals: 1, name: "Current.Import.L3", at: 5, raw: (c) => saw(c.reads, 7, 320) },
  { ...input, unit: "W", name: "Power.Active.Import.L1", at: 6, raw: (c) => saw(c.reads, 23, 7360) },
  { ...input, unit: "W", name: "Power.Active.Import.L2", at: 7, raw: (c) => saw(c.reads, 31, 7360) },
  { ...input, unit: "W", name: "Power.Active.Import.L3", at: 8, raw: (c) => saw(c.reads, 41, 7360) },
  { ...input, unit: "Hz", per: 100, decimals: 2, name: "Frequency", at: 9, raw: (c) => 4990 + saw(c.reads, 1, 20) },
];
