import { parseArgs } from "node:util";
import { SOFTWARE, VERSION } from "../../core/version.ts";

export const usage = "busbar version [--json]   print the version";

/** `busbar version`: `busbar 0.1.0`, or with --json the version of Node too. */
export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { json: { type: "boolean" } } });
  const text = values.json ? JSON.stringify({ busbar: VERSION, node: process.versions.node }) : SOFTWARE;
  process.stdout.write(`${text}\n`);
  return 0;
}
