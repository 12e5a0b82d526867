/** Commands by name: what the control server and embedding programs call. */
import { type CommandOptions, impossible, isVerb, type Target, VERBS, type Verb } from "./target.ts";

/** True: it was for the hook, and is done. */
export type CommandHook = (verb: string, target: string) => boolean | Promise<boolean>;

/** Longer than any gateway waits for a reply by default: a late reply must be too late. */
const DEFAULT: CommandOptions = { lateMs: 2000, deratePercent: 10 };
const LATE_MS = { least: 1, most: 600_000 };
const DERATE_PERCENT = { least: 1, most: 90 };

/** The amount that a verb takes, as it is called in a query or on a command line. */
const AMOUNTS: Partial<Record<Verb, { name: string; least: number; most: number; key: keyof CommandOptions }>> = {
  late: { name: "ms", ...LATE_MS, key: "lateMs" },
  derate: { name: "percent", ...DERATE_PERCENT, key: "deratePercent" },
};
export const AMOUNT_NAMES = Object.values(AMOUNTS).map(({ name }) => name);

export class Commands {
  readonly #targets: ReadonlyMap<string, Target>;
  readonly #hook: CommandHook;
  readonly #advance: () => void;

  constructor(targets: readonly Target[], hook: CommandHook | undefined, advance: () => void) {
    this.#targets = new Map(targets.map((target) => [target.id, target]));
    this.#hook = hook ?? (() => false);
    this.#advance = advance;
  }

  /** Throws BusbarError CONFIG_INVALID for a verb or target that is not there, or that do not go together. */
  async run(verb: string, name: string, amount?: number): Promise<void> {
    if (!isVerb(verb)) throw impossible(`${verb} is no command`, `allowed: ${VERBS.join(", ")}`);
    const target = this.#targets.get(name);
    if (target === undefined) {
      if (await this.#hook(verb, name)) return;
      throw impossible(`${name} is no device or line of this site`, `allowed: ${[...this.#targets.keys()].join(", ")}`);
    }
    if (!target.verbs.includes(verb)) {
      throw impossible(`${verb} has no meaning for ${name}`, `allowed: ${target.verbs.join(", ")}`);
    }
    const options = optionsOf(verb, amount);
    this.#advance();
    await target.apply(verb, options);
  }
}

/** A verb that takes no amount leaves it alone. */
function optionsOf(verb: Verb, amount: number | undefined): CommandOptions {
  const taken = AMOUNTS[verb];
  if (taken === undefined || amount === undefined) return DEFAULT;
  const { name, least, most, key } = taken;
  if (!(amount >= least && amount <= most)) throw impossible(`${name} is out of range`, `allowed: ${least} to ${most}`);
  return { ...DEFAULT, [key]: amount };
}
