/** What the rig needs of the machine, and the file system that every recording begins with. */
import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../core/errors.ts";
import { run, updateLists, whereIs } from "../vm/tools.ts";

const PROGRAMS: Readonly<Record<string, string>> = {
  nbdfuse: "libnbd-bin",
  fusermount3: "fuse3",
  "mkfs.ext4": "e2fsprogs",
  mount: "mount",
  unshare: "util-linux",
  setpriv: "util-linux",
};
const APT = ["-o", "DPkg::Lock::Timeout=120", "-qq"];
const APT_LIMIT_MS = 300_000;
/** Room for the outbox with its log and ballast, and ext4's own 4 MiB journal. */
const IMAGE_BYTES = 32 * 1024 * 1024;

/** Why the rig cannot run here and what to do, or undefined. Root without a package installs it. */
export function whatIsMissing(): string | undefined {
  if (process.platform !== "linux") return "power cuts need Linux";
  if (process.getuid?.() !== 0) return "mounting disks needs root: run it as root or in a privileged container";
  const packages = absent();
  if (packages.length > 0 && whereIs("apt-get") !== undefined) install(packages);
  if (absent().length > 0) return `not installed: apt-get install ${absent().join(" ")}`;
  for (const device of ["/dev/fuse", "/dev/loop-control"]) {
    if (!existsSync(device)) return `no ${device}: load the kernel module, or give the container the device`;
  }
  return undefined;
}

function absent(): string[] {
  return [...new Set(Object.entries(PROGRAMS).flatMap(([program, name]) => (whereIs(program) ? [] : [name])))];
}

function install(packages: readonly string[]): void {
  console.log(`power cuts: installing ${packages.join(" ")}`);
  try {
    updateLists();
    run("apt-get", [...APT, "install", "-y", "--no-install-recommends", ...packages], { limitMs: APT_LIMIT_MS });
  } catch (error) {
    console.log(messageOf(error));
  }
}

/** An empty ext4 as an installer would make it, but for its size. */
export function freshImage(workDir: string): Buffer {
  const file = join(workDir, "fresh.img");
  writeFileSync(file, "");
  truncateSync(file, IMAGE_BYTES);
  // Blocks of 4 KiB as on any larger disk; this size alone would get 1 KiB.
  const options = ["-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", "-J", "size=4"];
  run(whereIs("mkfs.ext4") ?? "mkfs.ext4", ["-q", "-F", ...options, file]);
  const image = readFileSync(file);
  rmSync(file);
  return image;
}
