/**
 * `npm run deb -- --arch amd64`: dist/busbar_<version>_<arch>.deb, the same bytes from the same commit. Needs no network;
 * dpkg-dev is not needed, dpkg-deb and binutils are.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BusbarError, messageOf } from "../core/errors.ts";
import { VERSION } from "../core/version.ts";
import { archOf, ownArch } from "./arch.ts";
import { pack } from "./pack.ts";
import { output } from "./shell.ts";
import { stage } from "./stage.ts";
import { targetOf } from "./target.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const VERSION_FORM = /^[0-9][A-Za-z0-9.+~]*$/;

const usage = `node packaging/deb.ts [--arch amd64|arm64] [--version VERSION] [--out FOLDER] [--compression 0..9]
  --arch      what the package is for; default: this machine
  --version   of the package; default: the project's
  --out       where it is written; default: dist
  --compression  0 (quick) to 9 (small); default: 6`;

const OPTIONS = {
  arch: { type: "string", default: ownArch() },
  version: { type: "string", default: VERSION },
  out: { type: "string", default: join(ROOT, "dist") },
  compression: { type: "string", default: "6" },
} as const;

/** Returns the package's path. */
async function buildDeb(args: readonly string[]): Promise<string> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const { version, out, compression } = values;
  if (!VERSION_FORM.test(version)) {
    const remedy = "it begins with a digit and has letters, digits and . + ~";
    throw new BusbarError("CONFIG_INVALID", `--version ${version} is no version`, { remedy });
  }
  if (!/^[0-9]$/.test(compression)) throw new BusbarError("CONFIG_INVALID", `--compression ${compression}: 0 to 9`);
  const arch = archOf(values.arch);
  const date = sourceDate();
  const dir = mkdtempSync(join(tmpdir(), "busbar-deb-"));
  try {
    const tree = join(dir, "busbar");
    mkdirSync(tree);
    await stage({ root: ROOT, dir: tree, arch, version, date, target: targetOf(ROOT, arch, dir) });
    mkdirSync(out, { recursive: true });
    const deb = join(out, `busbar_${version}_${arch.debian}.deb`);
    pack({ tree, deb, arch, version, date, compression, scripts: join(ROOT, "packaging/debian") });
    return deb;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** The time that the package's files carry: SOURCE_DATE_EPOCH, else the last commit's. */
function sourceDate(): Date {
  const given = process.env.SOURCE_DATE_EPOCH ?? output("git", ["-C", ROOT, "log", "-1", "--format=%ct"], "git");
  return new Date(Number(given) * 1000);
}

try {
  const deb = await buildDeb(process.argv.slice(2));
  const size = (statSync(deb).size / 1e6).toFixed(1);
  process.stdout.write(`${deb} (${size} MB)\n`);
} catch (error) {
  process.stderr.write(`deb: ${messageOf(error)}\n${error instanceof BusbarError ? "" : `usage: ${usage}\n`}`);
  process.exitCode = 1;
}
