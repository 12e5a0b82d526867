/** `node bench/run.ts [NAME…] [-- OPTIONS]`: runs the benchmarks of that name, or all, one after the other. */
import { existsSync, readdirSync } from "node:fs";

interface Benchmark {
  run(args: readonly string[]): Promise<void>;
}

const here = new URL("./", import.meta.url);
const known = readdirSync(here).filter((name) => existsSync(new URL(`${name}/main.ts`, here)));
const args = process.argv.slice(2);
const names = args.filter((arg) => !arg.startsWith("-"));
const options = args.filter((arg) => arg.startsWith("--") && arg !== "--");
const unknown = names.filter((name) => !known.includes(name));

if (unknown.length > 0) {
  process.stderr.write(`no benchmark ${unknown.join(", ")}; there are: ${known.join(", ")}\n`);
  process.exitCode = 64;
} else {
  for (const name of names.length > 0 ? names : known) {
    process.stdout.write(`== ${name}\n`);
    const { run } = (await import(new URL(`${name}/main.ts`, here).href)) as Benchmark;
    await run(options);
  }
}
