/** `busbar bridge run|audit`: the cloud side. Loaded with the verb only: the gateway never loads kafkajs. */
import { parseArgs } from "node:util";
import { formatConfigError } from "../../config/checked-file.ts";
import { LogWriter, logFormatFor } from "../status/log-writer.ts";
import { EXIT_CONFIG, EXIT_USAGE } from "./exit-codes.ts";

/** After an ordered stop a connection that does not let go must not hold the process. */
const LET_GO_MS = 1000;

const RUN_USAGE =
  "busbar bridge run --config FILE   from MQTT into Kafka, in the foreground; SIGTERM or Ctrl-C ends it in order";

/** The exit code: 0 after an ordered stop, 78 when the configuration or a topic is wrong. */
export async function run(args: readonly string[]): Promise<number> {
  const [what, ...rest] = args;
  if (what === "run") return await runVerb(rest);
  if (what === "audit") return await (await import("../../bridge/audit/main.ts")).audit(rest);
  process.stderr.write(`${RUN_USAGE}\n`);
  return EXIT_USAGE;
}

async function runVerb(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { config: { type: "string" }, help: { type: "boolean" } } });
  if (values.help) {
    process.stdout.write(`usage: ${RUN_USAGE}\n`);
    return 0;
  }
  if (values.config === undefined) {
    process.stderr.write(`busbar bridge run: --config FILE is missing\nusage: ${RUN_USAGE}\n`);
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
