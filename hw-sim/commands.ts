/** Commands by name: what the control server and embedding programs call. */
import { impossible, isVerb, type Target, VERBS } from "./target.ts";

/** True: it was for the hook, and is done. */
export type CommandHook = (verb: string, target: string) => boolean | Promise<boolean>;

/** Longer than any gateway waits for a reply by default: a late reply must be too late. */
const DEFAULT_LATE_MS = 2000;
const LATE_MS = { least: 1, most: 600_000 };

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
  async run(verb: string, name: string, lateMs = DEFAULT_LATE_MS): Promise<void> {
    if (!isVerb(verb)) throw impossible(`${verb} is no command`, `allowed: ${VERBS.join(", ")}`);
    const target = this.#targets.get(name);
    if (target === undefined) {
      if (await this.#hook(verb, name)) return;
      throw impossible(`${name} is no device or line of this site`, `allowed: ${[...this.#targets.keys()].join(", ")}`);
    }
    if (!target.verbs.includes(verb)) {
      throw impossible(`${verb} has no meaning for ${name}`, `allowed: ${target.verbs.join(", ")}`);
    }
    if (!(lateMs >= LATE_MS.least && lateMs <= LATE_MS.most)) {
      throw impossible(`ms is out of range`, `allowed: ${LATE_MS.least} to ${LATE_MS.most}`);
    }
    this.#advance();
    await target.apply(verb, { lateMs });
  }
}
