/** `npm run sim`: starts the depot; `npm run sim -- <verb> <target>` tells a running one what to do. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import { messageOf } from "../core/errors.ts";
import { controlFile, readControlUrl } from "./control.ts";
import { portOf, runSite, tellFailure } from "./run.ts";
import type { Site } from "./site.ts";
import { VERBS } from "./target.ts";
import { busDirectory } from "./wire/candump-bus.ts";

const DEPOT = fileURLToPath(new URL("scenarios/depot.yaml", import.meta.url));
const EXIT_FAILED = 1;
const EXIT_USAGE = 64;
const EXIT_NOT_RUNNING = 69;
const ANSWER_MS = 5000;

const USAGE = `npm run sim                                    start the simulated depot
npm run sim -- --scenario FILE [--ledger FILE] [--control-port N]   start another site
npm run sim -- state                           what it does at the moment
npm run sim -- <verb> <device, line or uplink> [--ms N] [--percent N]   ${VERBS.join(", ")}
  --control URL                                of the simulator to talk to; default: the one that runs here
`;

function parse(args: string[]) {
  return parseArgs({
    args,
    allowPositionals: true,
    options: {
      help: { type: "boolean", short: "h", default: false },
      control: { type: "string" },
      ms: { type: "string" },
      percent: { type: "string" },
      scenario: { type: "string", default: DEPOT },
      ledger: { type: "string" },
      "control-port": { type: "string", default: "0" },
    },
  });
}
type Parsed = ReturnType<typeof parse>;

/** Sends one request; exit code 0 done, 1 refused, 69 when nobody is there. */
async function send(method: "GET" | "POST", path: string, control: string | undefined): Promise<number> {
  const url = control ?? readControlUrl(controlFile(busDirectory()));
  if (url === undefined) {
    process.stderr.write(
      "no simulator is running here; start one with `npm run sim` or `npm start`, or name it with --control URL\n",
    );
    return EXIT_NOT_RUNNING;
  }
  let response: Response;
  let text: string;
  try {
    response = await fetch(new URL(path, url), { method, signal: AbortSignal.timeout(ANSWER_MS) });
    text = await response.text();
  } catch (error) {
    process.stderr.write(`simulator at ${url}: ${messageOf(error)}; start one with \`npm run sim\` or \`npm start\`\n`);
    return EXIT_NOT_RUNNING;
  }
  if (response.ok) {
    process.stdout.write(method === "GET" ? text : "done\n");
    return 0;
  }
  process.stderr.write(`${errorOf(text)}\n`);
  return EXIT_FAILED;
}

function errorOf(text: string): string {
  try {
    return String((JSON.parse(text) as { error?: unknown }).error);
  } catch {
    return text;
  }
}

function introduce(site: Site, ledger: string): void {
  const lines = site.state().lines.map(({ id, address }) => `  ${id.padEnd(10)} ${address}`);
  process.stdout.write(`The simulated site is running; Ctrl-C ends it.

${lines.join("\n")}
  control    ${site.controlUrl}
  ledger     ${ledger}   (what the devices served)

In another terminal: npm run sim -- cut wallbox-1   then   npm run sim -- restore wallbox-1

A gateway configuration that fits:

${stringify({ sources: site.sources })}`);
}

async function start({ values }: Parsed): Promise<number> {
  const simDir = busDirectory();
  const ledger = values.ledger ?? join(simDir, "ledger.jsonl");
  const controlPort = portOf("--control-port", values["control-port"]);
  const options = { scenario: values.scenario, ledger, dir: simDir, simDir, controlPort, preferPty: true };
  try {
    await runSite(options, (site) => introduce(site, ledger));
    return 0;
  } catch (error) {
    return tellFailure(error);
  }
}

function usageError(what: string): number {
  process.stderr.write(`${what}\n${USAGE}`);
  return EXIT_USAGE;
}

async function main(args: string[]): Promise<number> {
  let parsed: Parsed;
  try {
    parsed = parse(args);
  } catch (error) {
    return usageError(messageOf(error));
  }
  const { values, positionals } = parsed;
  const [verb, target, ...more] = positionals;
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (verb === undefined) return start(parsed);
  if (verb === "state" && target === undefined) return send("GET", "/", values.control);
  if (target === undefined || more.length > 0) return usageError(`${verb} needs one device or line`);
  const amounts = { ms: values.ms, percent: values.percent };
  const given = Object.entries(amounts).filter((one): one is [string, string] => one[1] !== undefined);
  const query = new URLSearchParams(given);
  return send("POST", `/${encodeURIComponent(verb)}/${encodeURIComponent(target)}?${query}`, values.control);
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => usageError(messageOf(error)));
