/** The gateway as the Debian package installs it: one bundle, and the launcher's flags. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { addonsOf } from "../../packaging/addons.ts";
import { archOf, ownArch } from "../../packaging/arch.ts";
import { bundle } from "../../packaging/bundle.ts";
import { path } from "./site.ts";

/** What Node is started with before the verb. */
export interface Program {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Below `dir`. Throws BusbarError CONFIG_INVALID where an addon is not compiled, Error when the launcher is another. */
export async function packaged(dir: string): Promise<Program> {
  const root = path("../..");
  const outDir = join(dir, "app");
  const arch = archOf(ownArch());
  await bundle({
    root,
    outDir,
    arch,
    addons: addonsOf(root, arch, join(root, "node_modules/socketcan/build/Release")),
  });
  const launcher = readFileSync(join(root, "packaging/busbar.sh"), "utf8");
  const flags = /set -- (--.*) "\$@"/.exec(launcher)?.[1];
  if (flags === undefined) throw new Error("packaging/busbar.sh is not as bench/store expects");
  const settings = launcher.matchAll(/export (\w+)="\$\{\1:-(\d+)\}"/g);
  const env = Object.fromEntries([...settings].map(([, name, value]) => [name, value]));
  return { args: [...flags.split(" "), join(outDir, "daemon-cli-main.js")], env };
}
