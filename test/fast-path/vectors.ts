/** The contract's datagrams (test/fixtures/contracts/fast-path.json) and the signals that they speak of. */
import type { SignalEntry } from "../../core/signals.ts";
import { contract } from "../support/contracts.ts";

/** Time of the examples' first sample. */
export const FIRST_US = 1795226000123456;

const common = { source: "s", maxAgeMs: 3000, collect: "every" } as const;

export const SIGNALS: readonly SignalEntry[] = [
  { ...common, n: 1, asset: "meter-1", name: "Power.Active.Import", type: "number", unit: "W" },
  { ...common, n: 2, asset: "wallbox-1", name: "Status", type: "enum", enum: ["Available", "Occupied", "Faulted"] },
];

export function contractDatagrams() {
  const file = JSON.parse(contract("fast-path.json").toString()) as Record<string, string> & { table: unknown };
  const bytes = (name: string): Buffer => Buffer.from(file[name]!, "hex");
  return {
    plain: bytes("plain"),
    authenticated: bytes("authenticated"),
    tableDatagram: bytes("table_datagram"),
    key: bytes("key"),
    json: JSON.stringify(file.table),
  };
}
