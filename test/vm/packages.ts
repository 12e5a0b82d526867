/** The packages under test: today's, built from the checkout, and the same with a higher version. */
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { VERSION } from "../../core/version.ts";
import { run } from "./tools.ts";

const BUILDER = fileURLToPath(new URL("../../packaging/deb.ts", import.meta.url));
const BUILD_LIMIT_MS = 300_000;
/** Sorts behind the version itself, and before every later one. */
export const HIGHER = `${VERSION}+upgrade`;

/** A package that was built before, instead of one of this checkout. */
const GIVEN = process.env.BUSBAR_VM_DEB;

/** Puts `busbar.deb` and `upgrade.deb` into the folder, which the guest sees. */
export function providePackages(folder: string): void {
  const deb = join(folder, "busbar.deb");
  copyFileSync(GIVEN ?? build(folder), deb);
  const tree = join(folder, "upgrade");
  run("dpkg-deb", ["--raw-extract", deb, tree]);
  const control = join(tree, "DEBIAN/control");
  writeFileSync(control, readFileSync(control, "utf8").replace(/^Version: .*$/m, `Version: ${HIGHER}`));
  // Not compressed: under TCG that is most of an installation's time.
  run("dpkg-deb", ["--root-owner-group", "-Znone", "--build", tree, join(folder, "upgrade.deb")]);
  rmSync(tree, { recursive: true });
}

function build(folder: string): string {
  console.log("vm: building the package");
  run(process.execPath, [BUILDER, "--arch", "amd64", "--out", folder], { limitMs: BUILD_LIMIT_MS });
  return join(folder, `busbar_${VERSION}_amd64.deb`);
}
