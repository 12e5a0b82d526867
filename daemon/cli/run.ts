import { isatty } from "node:tty";
import { parseArgs } from "node:util";
import { startClock } from "../clock-start.ts";
import { readConfig } from "../service/read-config.ts";
import { Service } from "../service/service.ts";
import { logFormatFor } from "../status/log-writer.ts";
import { EXIT_CONFIG, EXIT_USAGE } from "./exit-codes.ts";

/** After an ordered stop nothing is left to do; a bus that does not let go of its handle must not hold the process. */
const LET_GO_MS = 1000;

export const usage = `busbar run --config FILE   run the gateway in the foreground
SIGTERM or Ctrl-C ends it in order; SIGHUP reads the file anew: a wrong one is told and changes nothing.`;

/** `busbar run`: exit code 0 after an ordered stop, 78 when the configuration is wrong (every error on stderr). */
export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { config: { type: "string" } } });
  if (values.config === undefined) {
    process.stderr.write(`busbar run: --config FILE is missing\nusage: ${usage}\n`);
    return EXIT_USAGE;
  }
  const config = readConfig(values.config);
  if (!config.ok) {
    process.stderr.write(`${config.errors.join("\n")}\n`);
    return EXIT_CONFIG;
  }
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stop.abort());
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  let hangups = 0;
  let service: Service | undefined;
  process.on("SIGHUP", () => {
    hangups++;
    // The window was closed: nobody asks for the file.
    if (terminals.some((fd) => !isatty(fd))) stop.abort();
    else service?.reload();
  });
  const { clock, likelyBoot } = await startClock(config.site.store.path);
  service = new Service(config, { configFile: values.config, logFormat: logFormatFor(), clock, likelyBoot });
  if (hangups > 0) service.reload();
  await service.run(stop.signal);
  setTimeout(() => process.exit(0), LET_GO_MS).unref();
  return 0;
}
