import { parseArgs } from "node:util";
import { formatConfigError, loadSite } from "../../config/load.ts";
import { startClock } from "../clock-start.ts";
import { checkDrivers } from "../drivers.ts";
import { Gateway } from "../gateway.ts";
import { logFormatFor } from "../status/log-writer.ts";
import { EXIT_CONFIG, EXIT_USAGE } from "./exit-codes.ts";

/** After an ordered stop nothing is left to do; a bus that does not let go of its handle must not hold the process. */
const LET_GO_MS = 1000;

export const usage = "busbar run --config FILE   run the gateway in the foreground; SIGTERM or Ctrl-C ends it in order";

/** `busbar run`: exit code 0 after an ordered stop, 78 when the configuration is wrong (every error on stderr). */
export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { config: { type: "string" } } });
  if (values.config === undefined) {
    process.stderr.write(`busbar run: --config FILE is missing\n${usage}\n`);
    return EXIT_USAGE;
  }
  const loaded = loadSite(values.config, [checkDrivers]);
  if (!loaded.ok) {
    for (const error of loaded.errors) process.stderr.write(`${formatConfigError(error)}\n`);
    return EXIT_CONFIG;
  }
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stop.abort());
  const gateway = new Gateway(loaded.site, {
    configFile: values.config,
    logFormat: logFormatFor(),
    clock: await startClock(loaded.site.store.path),
  });
  await gateway.run(stop.signal);
  setTimeout(() => process.exit(0), LET_GO_MS).unref();
  return 0;
}
