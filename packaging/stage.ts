/** The tree as it will lie on the target, apart from what DEBIAN/ holds. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { gzipSync } from "node:zlib";
import { BusbarError } from "../core/errors.ts";
import { addonsOf } from "./addons.ts";
import type { Arch } from "./arch.ts";
import { bundle } from "./bundle.ts";
import { changelog, copyright } from "./control.ts";
import { manPage } from "./man.ts";
import { thirdParties } from "./parties.ts";
import type { Target } from "./target.ts";

const SCHEMA = "usr/share/busbar/busbar.schema.json";
const DOC = "usr/share/doc/busbar";

/** Where a file of the project goes. */
const COPIED: readonly (readonly [from: string, to: string])[] = [
  ["packaging/busbar.sh", "usr/bin/busbar"],
  ["packaging/lintian-overrides", "usr/share/lintian/overrides/busbar"],
  ["packaging/system/70-busbar-serial.rules", "usr/lib/udev/rules.d/70-busbar-serial.rules"],
  ["packaging/system/60-busbar-can.conf", "usr/lib/sysctl.d/60-busbar-can.conf"],
  ["packaging/system/80-busbar-can.network", `${DOC}/examples/80-busbar-can.network`],
  ["systemd/busbar.service", "usr/lib/systemd/system/busbar.service"],
  ["systemd/notify-launcher", "usr/lib/busbar/notify-launcher"],
  ["docs/busbar.schema.json", SCHEMA],
  ["docs/INSTALL.md", `${DOC}/INSTALL.md`],
  ["docs/CONFIGURATION.md", `${DOC}/CONFIGURATION.md`],
  ["docs/DELIVERY.md", `${DOC}/DELIVERY.md`],
  ["docs/FORMATS.md", `${DOC}/FORMATS.md`],
];

/** Everything that a page may name, by its place in the project. */
const INSTALLED: ReadonlyMap<string, string> = new Map([
  ...COPIED,
  ["examples/busbar.yaml", "usr/share/busbar/busbar.yaml"],
]);

/** What the example says of files in the checkout, and where they are on the target. */
const EXAMPLE_PATHS: readonly (readonly [from: string, to: string])[] = [
  ["$schema=../docs/busbar.schema.json", `$schema=/${SCHEMA}`],
  ["docs/CONFIGURATION.md", `/${DOC}/CONFIGURATION.md`],
];

export interface StageOptions {
  readonly root: string;
  readonly dir: string;
  readonly arch: Arch;
  readonly version: string;
  readonly date: Date;
  readonly target: Target;
}

export async function stage({ root, dir, arch, version, date, target }: StageOptions): Promise<void> {
  const put = (to: string, content: string | Uint8Array): void => {
    mkdirSync(dirname(join(dir, to)), { recursive: true });
    writeFileSync(join(dir, to), content);
  };
  for (const [from, to] of COPIED) {
    const content = readFileSync(join(root, from));
    put(to, from.endsWith(".md") ? installedPage(from, content.toString()) : content);
  }
  const example = exampleConfig(readFileSync(join(root, "examples/busbar.yaml"), "utf8"));
  put("etc/busbar/busbar.yaml", example);
  // What dpkg does not let anybody edit: postinst compares.
  put("usr/share/busbar/busbar.yaml", example);
  mkdirSync(join(dir, "etc/busbar/secrets"));
  const news = changelog(version, readFileSync(join(root, "CHANGELOG.md"), "utf8"), date);
  put(`${DOC}/changelog.gz`, gzipSync(news, { level: 9 }));
  const man = await manPage(version, date.toISOString().slice(0, 10));
  put("usr/share/man/man1/busbar.1.gz", gzipSync(man, { level: 9 }));
  const outDir = join(dir, "usr/lib/busbar/app");
  const packages = await bundle({ root, outDir, arch, addons: addonsOf(root, arch, target.canAddon) });
  mkdirSync(join(dir, "usr/lib/busbar/bin"));
  cpSync(join(target.runtime, "bin/node"), join(dir, "usr/lib/busbar/bin/node"));
  put(`${DOC}/copyright`, copyright(thirdParties([...packages.map((path) => join(root, path)), target.runtime])));
}

/** A page as it is installed: a link goes to where the file lies on the target, or is words where it is not there. */
export function installedPage(page: string, text: string): string {
  return text.replace(/\[([^\]]+)\]\(([^)\s#:]+)\)/g, (link, words: string, target: string) => {
    const to = INSTALLED.get(posix.join(posix.dirname(page), target));
    if (to === undefined) return words;
    return posix.dirname(to) === DOC ? link : `/${to}`;
  });
}

/** examples/busbar.yaml as it is installed. Throws BusbarError INTERNAL when it names other files than expected. */
export function exampleConfig(text: string): string {
  let installed = text;
  for (const [from, to] of EXAMPLE_PATHS) {
    if (!installed.includes(from)) throw new BusbarError("INTERNAL", `examples/busbar.yaml does not name ${from}`);
    installed = installed.replace(from, to);
  }
  return installed;
}
