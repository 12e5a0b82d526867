import { BusbarError } from "../core/errors.ts";
import type { SignalTable } from "../core/signals.ts";

/** The number of (asset, signal) in the table. The function throws BusbarError INTERNAL for what is not in it. */
export function signalNumbers({ signals }: Pick<SignalTable, "signals">): (asset: string, signal: string) => number {
  const numbers = new Map(signals.map(({ n, asset, name }) => [`${asset}\n${name}`, n]));
  return (asset, signal) => {
    const n = numbers.get(`${asset}\n${signal}`);
    if (n === undefined) throw new BusbarError("INTERNAL", `signal ${signal} of ${asset} was never declared`);
    return n;
  };
}
