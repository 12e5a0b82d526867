// Runs after every install, on whatever Node npm runs on. npm 10 takes `node_modules/.bin/node` away again
// when it drops the package of the other architecture, and no npm links a project's own `bin`.
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, "node_modules", ".bin");

mkdirSync(bin, { recursive: true });
const runtime = `node-linux-${process.arch}`;
if (existsSync(join(root, "node_modules", runtime, "bin", "node"))) {
  rmSync(join(bin, "node"), { force: true });
  symlinkSync(`../${runtime}/bin/node`, join(bin, "node"));
}
const shim = `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
PATH="$here:$PATH" exec node "$here/../../daemon/cli/main.ts" "$@"
`;
rmSync(join(bin, "busbar"), { force: true });
writeFileSync(join(bin, "busbar"), shim, { mode: 0o755 });
