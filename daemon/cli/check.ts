import { parseArgs } from "node:util";
import { type ConfigError, formatConfigError } from "../../config/checked-file.ts";
import { loadSite } from "../../config/load.ts";
import type { Site, SourceConfig } from "../../config/site.ts";
import { checkDrivers, createDriver } from "../drivers.ts";
import { EXIT_CONFIG, EXIT_USAGE } from "./exit-codes.ts";

export const usage = `busbar check --config FILE [--json]   check a configuration file; nothing is opened
  --config FILE   the file
  --json          the result as one JSON object on stdout
Exit code 0 when it is right, 78 when it is not: every error on a line of its own on stderr. What is right and must be
known all the same is told there as "warning: ASSET: …".`;

/** `busbar check`: one line per source on stdout and warnings on stderr, or every error there. */
export async function run(args: readonly string[]): Promise<number> {
  const options = { config: { type: "string" }, json: { type: "boolean" } } as const;
  const { values } = parseArgs({ args: [...args], options });
  if (values.config === undefined) {
    process.stderr.write(`busbar check: --config FILE is missing\nusage: ${usage}\n`);
    return EXIT_USAGE;
  }
  const loaded = loadSite(values.config, [checkDrivers]);
  if (!loaded.ok) {
    report(loaded.errors, values.json === true);
    return EXIT_CONFIG;
  }
  const { site, file } = loaded;
  const warnings = site.sources.flatMap((source) => createDriver(source).hazards);
  const lines = values.json ? [JSON.stringify({ ...summary(file, site), warnings })] : site.sources.map(sourceLine);
  process.stdout.write(`${lines.join("\n")}\n`);
  if (!values.json) for (const { asset, message } of warnings) process.stderr.write(`warning: ${asset}: ${message}\n`);
  return 0;
}

function report(errors: readonly ConfigError[], json: boolean): void {
  if (json) process.stdout.write(`${JSON.stringify({ ok: false, errors })}\n`);
  else process.stderr.write(`${errors.map(formatConfigError).join("\n")}\n`);
}

function summary(file: string, site: Site) {
  const sources = site.sources.map((source) => ({
    id: source.id,
    driver: source.driver,
    line: lineOf(source),
    devices: source.devices.map(({ id, profile }) => ({ id, profile: profile ?? null })),
  }));
  return { ok: true, file, gateway: site.gateway.id, sources };
}

/** `rs485: modbus rtu /dev/ttyUSB0: wallbox-1 (heidelberg-energy-control), meter-1 (eastron-sdm630)` */
function sourceLine(source: SourceConfig): string {
  const devices =
    source.driver === "can"
      ? source.devices.map(({ id, profile, dbc }) => `${id} (${profile ?? dbc})`)
      : source.devices.map(({ id, unit, profile }) => `${id} (unit ${unit}, ${profile})`);
  return `${source.id}: ${source.driver} ${lineOf(source)}: ${devices.join(", ")}`;
}

function lineOf(source: SourceConfig): string {
  if (source.driver === "can") return source.interface;
  if (source.rtu !== undefined) return `rtu ${source.rtu.port}`;
  if (source.tcp !== undefined) return `tcp ${source.tcp.host}:${source.tcp.port}`;
  return `rtu_over_tcp ${source.rtu_over_tcp?.host}:${source.rtu_over_tcp?.port}`;
}
