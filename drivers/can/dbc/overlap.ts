import type { DbcMessage, DbcSignal } from "./dbc.ts";
import { bitsOf } from "./extract.ts";

/**
 * Signals of a message that share bits and can be in one frame together, as text. Files in the field have them; each is
 * decoded on its own, but one of the two layouts is probably wrong.
 */
export function overlapsOf(message: DbcMessage): string[] {
  const texts: string[] = [];
  const places = message.signals.map((signal) => ({ signal, bits: new Set(bitsOf(signal)) }));
  for (const [index, one] of places.entries()) {
    for (const other of places.slice(index + 1)) {
      if (exclude(one.signal, other.signal) || one.bits.isDisjointFrom(other.bits)) continue;
      texts.push(`${message.name}: ${one.signal.name} and ${other.signal.name} share bits`);
    }
  }
  return texts;
}

/** Two signals that the same multiplexor selects by different values are never in one frame. */
function exclude(one: DbcSignal, other: DbcSignal): boolean {
  const a = one.condition;
  const b = other.condition;
  if (a === undefined || b === undefined || a.by !== b.by) return false;
  return !a.ranges.some(([low, high]) => b.ranges.some(([from, to]) => from <= high && to >= low));
}
