/** A simulated site as a process of its own: runs until it is told to end. */
import { BusbarError, messageOf } from "../core/errors.ts";
import { formatText, Logger } from "../core/log.ts";
import { loadScenario } from "./scenario.ts";
import { type Site, startSite } from "./site.ts";

export interface RunOptions {
  readonly scenario: string;
  readonly ledger: string | undefined;
  readonly dir: string;
  readonly simDir: string;
  readonly controlPort: number;
  readonly preferPty: boolean;
}

const STOP_SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/** Resolves after SIGTERM or Ctrl-C, when everything is closed and the ledger is on disk. Throws BusbarError. */
export async function runSite(options: RunOptions, ready: (site: Site) => void): Promise<void> {
  const log = new Logger("sim", (entry) => process.stderr.write(`${formatText(entry)}\n`));
  const stopped = new Promise<void>((resolve) => {
    for (const name of STOP_SIGNALS) process.on(name, () => resolve());
  });
  await using site = await startSite(loadScenario(options.scenario), {
    ledgerPath: options.ledger,
    dir: options.dir,
    simDir: options.simDir,
    controlPort: options.controlPort,
    preferPty: options.preferPty,
    log,
  });
  ready(site);
  await stopped;
}

const EXIT_FAILED = 1;
const EXIT_CONFIG = 78;

/** Says what ended the simulator; the exit code is 78 for a scenario that is wrong, else 1. */
export function tellFailure(error: unknown): number {
  process.stderr.write(`${messageOf(error)}\n`);
  return error instanceof BusbarError && error.layer === "config" ? EXIT_CONFIG : EXIT_FAILED;
}

/** A port from the command line. Throws an Error that names it. */
export function portOf(option: string, text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new Error(`${option} ${text} is no port; allowed: 0 to 65535`);
  return Number(text);
}
