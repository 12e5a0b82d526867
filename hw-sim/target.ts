/** What a command can be aimed at: a device or a line. */
import { BusbarError } from "../core/errors.ts";
import type { Pluggable } from "./models/model.ts";

export const VERBS = ["cut", "restore", "garble", "truncate", "late", "freeze", "derate", "plug", "unplug"] as const;
export type Verb = (typeof VERBS)[number];

export interface CommandOptions {
  /** How late replies come, milliseconds. */
  readonly lateMs: number;
  /** How much less than it says a charger delivers. */
  readonly deratePercent: number;
}

export interface Target {
  readonly id: string;
  readonly verbs: readonly Verb[];
  /** Throws BusbarError CONFIG_INVALID where the verb has no meaning now. */
  apply(verb: Verb, options: CommandOptions): Promise<void>;
}

/** A command that the target cannot follow. */
export function impossible(what: string, remedy: string): BusbarError {
  return new BusbarError("CONFIG_INVALID", what, { remedy });
}

export function isVerb(text: string): text is Verb {
  return (VERBS as readonly string[]).includes(text);
}

/** Puts the cable in or takes it out. Throws BusbarError CONFIG_INVALID when it already is as wanted. */
export function turn(id: string, thing: Pluggable | undefined, verb: "plug" | "unplug"): void {
  if (thing === undefined) throw impossible(`${id} has no plug`, "name a charger or a vehicle");
  if (thing.plugged === (verb === "plug")) throw impossible(`${id} is ${verb}ged already`, "look at the state first");
  if (verb === "plug") thing.plug();
  else thing.unplug();
}
