/** What commands do to devices and lines. */
import type { CommandOptions, Verb } from "./target.ts";

export interface Fault {
  /** It does not answer at all. */
  silent: boolean;
  /** Replies arrive broken: a wrong checksum, random bytes. */
  garbled: boolean;
  /** Replies break off in the middle. */
  truncated: boolean;
  /** Replies come so much later (milliseconds); 0: at once. */
  lateMs: number;
}

export function noFault(): Fault {
  return { silent: false, garbled: false, truncated: false, lateMs: 0 };
}

/** A line's faults are those of every device on it. */
export function combined(a: Fault, b: Fault): Fault {
  return {
    silent: a.silent || b.silent,
    garbled: a.garbled || b.garbled,
    truncated: a.truncated || b.truncated,
    lateMs: Math.max(a.lateMs, b.lateMs),
  };
}

/** A reply under it is no reply: `spoilt` in the ledger. */
export function spoils(fault: Fault): boolean {
  return fault.garbled || fault.truncated || fault.lateMs > 0;
}

/** In words, for the state that commands show; empty: all is well. */
export function describeFault(fault: Fault): string[] {
  const words: string[] = [];
  if (fault.silent) words.push("cut");
  if (fault.garbled) words.push("garbled");
  if (fault.truncated) words.push("truncated");
  if (fault.lateMs > 0) words.push(`late ${fault.lateMs} ms`);
  return words;
}

/** What the verb does to a fault; verbs that are about something else leave it alone. */
export function setFault(fault: Fault, verb: Verb, { lateMs }: CommandOptions): void {
  if (verb === "cut") fault.silent = true;
  else if (verb === "garble") fault.garbled = true;
  else if (verb === "truncate") fault.truncated = true;
  else if (verb === "late") fault.lateMs = lateMs;
  else if (verb === "restore") Object.assign(fault, noFault());
}
