/** The command line up to the verb: which one, its help, and what an error of it means to the shell. */
import { BusbarError, messageOf, systemCode } from "../../core/errors.ts";
import { nearestOf } from "../../core/nearest.ts";
import { EXIT_CONFIG, EXIT_FAILED, EXIT_SOFTWARE, EXIT_USAGE } from "./exit-codes.ts";
import { VERBS, type VerbEntry } from "./verbs.ts";

export interface Output {
  out(text: string): void;
  err(text: string): void;
}

type Verbs = Readonly<Record<string, VerbEntry>>;

/** Runs `busbar <args>`; the exit code. Does not throw. */
export async function dispatch(args: readonly string[], output: Output, verbs: Verbs = VERBS): Promise<number> {
  const [first, ...rest] = args;
  try {
    if (first === undefined) {
      output.err(overview(verbs));
      return EXIT_USAGE;
    }
    if (first === "--version") return await runVerb("version", rest, output, verbs);
    if (first === "help" || first === "--help" || first === "-h") return await help(rest[0], output, verbs);
    if (!Object.hasOwn(verbs, first)) return unknown(first, output, verbs);
    return await runVerb(first, rest, output, verbs);
  } catch (error) {
    return failed(first ?? "", error, output);
  }
}

async function runVerb(name: string, args: readonly string[], output: Output, verbs: Verbs): Promise<number> {
  const verb = await verbs[name]?.load();
  if (verb === undefined) return unknown(name, output, verbs);
  if (verb.usage !== undefined && (args.includes("--help") || args.includes("-h"))) {
    output.out(`usage: ${verb.usage}\n`);
    return 0;
  }
  try {
    return await verb.run(args);
  } catch (error) {
    if (systemCode(error)?.startsWith("ERR_PARSE_ARGS") !== true) throw error;
    // The first sentence names the option; what follows is about positional arguments that begin with a dash.
    const usage = verb.usage === undefined ? "" : `usage: ${verb.usage}\n`;
    output.err(`busbar ${name}: ${messageOf(error).split(/\.(?: |$)/)[0]}\n${usage}`);
    return EXIT_USAGE;
  }
}

async function help(name: string | undefined, output: Output, verbs: Verbs): Promise<number> {
  if (name !== undefined && name !== "help") {
    if (!Object.hasOwn(verbs, name)) return unknown(name, output, verbs);
    return await runVerb(name, ["--help"], output, verbs);
  }
  output.out(overview(verbs));
  return 0;
}

function overview(verbs: Verbs): string {
  const rows = [
    ...Object.entries(verbs),
    ["help", { summary: "this list; help VERB: the options of a verb" }] as const,
  ];
  const lines = rows.map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`);
  return `usage: busbar VERB [OPTIONS]\n${lines.join("\n")}\n`;
}

function unknown(name: string, output: Output, verbs: Verbs): number {
  const what = name.startsWith("-") ? "option" : "verb";
  const nearest = nearestOf(name, [...Object.keys(verbs), "help"]);
  const hint = nearest === undefined ? "" : `; did you mean ${nearest}?`;
  output.err(`busbar: unknown ${what} ${JSON.stringify(name)}${hint}\n${overview(verbs)}`);
  return EXIT_USAGE;
}

function failed(name: string, error: unknown, output: Output): number {
  if (error instanceof BusbarError) {
    output.err(`busbar ${name}: ${error.message}\n`);
    return error.layer === "config" ? EXIT_CONFIG : EXIT_FAILED;
  }
  output.err(`busbar ${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return EXIT_SOFTWARE;
}
