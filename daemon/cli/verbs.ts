/** Every verb and where it lives; loaded only when asked for, so that `busbar check` does not start a gateway's code. */

export interface Verb {
  /** `busbar check --config FILE …`, with a line for each option; a verb without it answers --help itself. */
  readonly usage?: string;
  /** Does it, and tells the exit code. For options that it does not know it may throw what node:util parseArgs throws. */
  run(args: readonly string[]): Promise<number>;
}

export interface VerbEntry {
  readonly summary: string;
  load(): Promise<Verb>;
}

export const VERBS: Readonly<Record<string, VerbEntry>> = {
  run: { summary: "run the gateway in the foreground", load: () => import("./run.ts") },
  check: { summary: "check a configuration file, report every error", load: () => import("./check.ts") },
  status: { summary: "show what a running gateway does", load: () => import("./status.ts") },
  fastpath: { summary: "listen to the datagrams of the fast path", load: () => import("./fastpath.ts") },
  bridge: { summary: "cloud: from MQTT into Kafka, and the audit", load: () => import("./bridge.ts") },
  version: { summary: "print the version", load: () => import("./version.ts") },
};
