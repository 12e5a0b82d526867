/** From the staged tree to the .deb: the same bytes wherever and whenever it is done. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, cpSync, lutimesSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Arch } from "./arch.ts";
import { control } from "./control.ts";
import { dependsOf } from "./depends.ts";
import { output } from "./shell.ts";

const SCRIPTS = ["postinst", "prerm", "postrm"];
/** Everything else is 0644, folders 0755. */
const MODES: Readonly<Record<string, number>> = {
  "usr/bin/busbar": 0o755,
  "usr/lib/busbar/bin/node": 0o755,
  "usr/lib/busbar/notify-launcher": 0o755,
  "etc/busbar/busbar.yaml": 0o640,
  "etc/busbar/secrets": 0o750,
};

export interface PackOptions {
  /** Gets a folder DEBIAN. */
  readonly tree: string;
  readonly deb: string;
  readonly arch: Arch;
  readonly version: string;
  readonly date: Date;
  /** 0 (quick) to 9 (small). */
  readonly compression: string;
  /** The folder with the maintainer scripts. */
  readonly scripts: string;
}

export function pack({ tree, deb, arch, version, date, compression, scripts }: PackOptions): void {
  const paths = readdirSync(tree, { recursive: true, encoding: "utf8" }).sort();
  const isFolder = (path: string): boolean => statSync(join(tree, path)).isDirectory();
  for (const path of paths) chmodSync(join(tree, path), MODES[path] ?? (isFolder(path) ? 0o755 : 0o644));
  const files = paths.filter((path) => !isFolder(path));
  const binaries = files.filter((path) => isElf(join(tree, path))).map((path) => join(tree, path));
  for (const binary of binaries) output(`${arch.gnu}-strip`, ["--strip-unneeded", binary], binutils(arch));
  const depends = dependsOf(binaries.map((binary) => output("readelf", ["-dVW", binary], "binutils")));
  const bytes = (path: string): number => statSync(join(tree, path)).size;
  const installedKib = paths.reduce((sum, path) => sum + (isFolder(path) ? 1 : Math.ceil(bytes(path) / 1024)), 0);
  const debian = join(tree, "DEBIAN");
  mkdirSync(debian);
  const put = (name: string, text: string): void => writeFileSync(join(debian, name), text, { mode: 0o644 });
  put("control", control({ version, arch, installedKib, depends }));
  const conffiles = files.filter((path) => path.startsWith("etc/"));
  put("conffiles", conffiles.map((path) => `/${path}\n`).join(""));
  const summed = files.filter((path) => !conffiles.includes(path));
  put("md5sums", summed.map((path) => `${md5(join(tree, path))}  ${path}\n`).join(""));
  for (const name of SCRIPTS) {
    cpSync(join(scripts, name), join(debian, name));
    chmodSync(join(debian, name), 0o755);
  }
  chmodSync(debian, 0o755);
  for (const path of ["", ...readdirSync(tree, { recursive: true, encoding: "utf8" })]) {
    lutimesSync(join(tree, path), date, date);
  }
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(date.getTime() / 1000) };
  const args = ["--root-owner-group", "-Zxz", `-z${compression}`, "--build", tree, deb];
  execFileSync("dpkg-deb", args, { env, stdio: "ignore" });
}

function binutils(arch: Arch): string {
  return `binutils-${arch.gnu.replaceAll("_", "-")}`;
}

function isElf(file: string): boolean {
  return readFileSync(file).subarray(0, 4).equals(Buffer.from("\x7fELF", "latin1"));
}

function md5(file: string): string {
  return createHash("md5").update(readFileSync(file)).digest("hex");
}
