/** `busbar bridge run|audit`: the cloud side. Loaded with the verb only: the gateway never loads kafkajs. */
import { parseArgs } from "node:util";
import { formatConfigError } from "../../config/checked-file.ts";
import { LogWriter, logFormatFor } from "../status/log-writer.ts";
import { EXIT_CONFIG, EXIT_USAGE } from "./exit-codes.ts";

/** After an ordered stop a connection that does not let go must not hold the process. */
const LET_GO_MS = 1000;

const runUsage = `busbar bridge run --config FILE   from MQTT into Kafka, in the foreground
SIGTERM or Ctrl-C ends it in order.`;

const auditUsage = `busbar bridge audit --config FILE [--gateway ID] [--all] [--json]   what of the gateways' records is in Kafka
  --config FILE   the bridge's configuration
  --gateway ID    of this gateway alone
  --all           a line for every stream; otherwise, of more than 40, for those with something to tell
  --json          the result as one JSON object on stdout (docs/AUDIT.md)
Exit code 0: complete; 1: records are missing, doubled or unreadable; 69: Kafka does not answer; 78: wrong configuration.`;

export const usage = `${runUsage}

${auditUsage}`;

/** The exit code: 0 after an ordered stop, 78 when the configuration or a topic is wrong. */
export async function run(args: readonly string[]): Promise<number> {
  const [what, ...rest] = args;
  if (what === "run") return await runVerb(rest);
  if (what === "audit") return await (await import("../../bridge/audit/main.ts")).audit(rest, auditUsage);
  const fault = what === undefined ? "what?" : `unknown verb ${JSON.stringify(what)};`;
  process.stderr.write(`busbar bridge: ${fault} allowed: run, audit\nusage: ${usage}\n`);
  return EXIT_USAGE;
}

async function runVerb(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { config: { type: "string" } } });
  if (values.config === undefined) {
    process.stderr.write(`busbar bridge run: --config FILE is missing\nusage: ${runUsage}\n`);
    return EXIT_USAGE;
  }
  const { loadBridge } = await import("../../bridge/load.ts");
  const loaded = loadBridge(values.config);
  if (!loaded.ok) {
    for (const error of loaded.errors) process.stderr.write(`${formatConfigError(error)}\n`);
    return EXIT_CONFIG;
  }
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stop.abort());
  const writer = new LogWriter({ format: logFormatFor() });
  const { runBridge } = await import("../../bridge/main.ts");
  await runBridge(loaded.value, {
    log: (entry) => {
      if (entry.level !== "debug" || process.env.BUSBAR_DEBUG === "1") writer.write(entry);
    },
    signal: stop.signal,
  });
  setTimeout(() => process.exit(0), LET_GO_MS).unref();
  return 0;
}
