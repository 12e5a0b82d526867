/** `node hw-sim/main.ts --scenario FILE --ledger FILE --dir DIR`: one JSON line on stdout when everything is open. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { messageOf } from "../core/errors.ts";
import { portOf, runSite, tellFailure } from "./run.ts";

const USAGE = `hw-sim --scenario FILE --dir DIR [--ledger FILE] [--control-port N] [--no-pty]
  --dir DIR   for the pseudo terminals, and for simulated buses and control.json unless BUSBAR_SIM_DIR is set`;
const EXIT_USAGE = 64;

function parse(args: string[]) {
  return parseArgs({
    args,
    options: {
      scenario: { type: "string" },
      ledger: { type: "string" },
      dir: { type: "string" },
      "control-port": { type: "string", default: "0" },
      "no-pty": { type: "boolean", default: false },
    },
  }).values;
}

function options(args: string[]) {
  const { scenario, ledger, dir, "control-port": port, "no-pty": noPty } = parse(args);
  if (scenario === undefined || dir === undefined) throw new Error("--scenario and --dir are needed");
  const simDir = process.env.BUSBAR_SIM_DIR ?? resolve(dir);
  return { scenario, ledger, dir, simDir, controlPort: portOf("--control-port", port), preferPty: !noPty };
}

async function main(args: string[]): Promise<number> {
  let chosen: ReturnType<typeof options>;
  try {
    chosen = options(args);
  } catch (error) {
    process.stderr.write(`hw-sim: ${messageOf(error)}\n${USAGE}\n`);
    return EXIT_USAGE;
  }
  try {
    await runSite(chosen, ({ sources, assets, controlUrl, ledgerPath }) => {
      const ready = { sources, assets, control: controlUrl, ledger: ledgerPath ?? null, sim_dir: chosen.simDir };
      process.stdout.write(`${JSON.stringify({ ready })}\n`);
    });
    return 0;
  } catch (error) {
    return tellFailure(error);
  }
}

process.exitCode = await main(process.argv.slice(2));
