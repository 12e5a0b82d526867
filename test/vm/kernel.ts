/** A Debian kernel with AF_CAN: the one that is installed, else the package, unpacked in the cache and not installed. */
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Missing, run, updateLists, whereIs } from "./tools.ts";

export interface Kernel {
  readonly version: string;
  readonly image: string;
  /** The folder `lib/modules/<version>`. */
  readonly modules: string;
}

const META_PACKAGE = "linux-image-amd64";
/** Of the package's 400 MB. */
const PARTS = [
  "boot/vmlinuz*",
  "lib/modules/*/modules.builtin",
  ...parts("drivers/virtio", "drivers/block", "drivers/net/can", "net", "fs", "lib", "crypto", "arch/x86/crypto"),
];
/** Of the cached folder's name: other parts are fetched anew. */
const PARTS_HASH = createHash("sha256").update(PARTS.join()).digest("hex").slice(0, 8);
const DOWNLOAD_LIMIT_MS = 300_000;

/** Throws Missing. */
export function findKernel(cache: string): Kernel {
  const known = kernelIn("/") ?? cached(cache);
  if (known !== undefined) return known;
  if (whereIs("apt-get") === undefined)
    throw new Missing("no Debian kernel in /boot, and no apt-get to fetch one with");
  const name = packageName();
  fetchKernel(name, cache);
  const fetched = kernelIn(folderOf(cache, name));
  if (fetched === undefined) throw new Error(`package ${name}: no kernel with can-raw in it`);
  return fetched;
}

function cached(cache: string): Kernel | undefined {
  const folders = readdirSync(cache).filter((name) => name.startsWith("linux-image-") && name.endsWith(PARTS_HASH));
  return folders.map((name) => kernelIn(join(cache, name))).find((kernel) => kernel !== undefined);
}

/** The newest usable kernel below a root folder. */
function kernelIn(root: string): Kernel | undefined {
  const boot = join(root, "boot");
  if (!existsSync(boot)) return undefined;
  const images = readdirSync(boot).filter((name) => name.startsWith("vmlinuz-"));
  const newest = images.sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
  return newest.map((name) => kernelOf(root, name.slice("vmlinuz-".length))).find((kernel) => kernel !== undefined);
}

function kernelOf(root: string, version: string): Kernel | undefined {
  const image = join(root, "boot", `vmlinuz-${version}`);
  const modules = join(root, "lib/modules", version);
  try {
    accessSync(image, constants.R_OK);
  } catch {
    return undefined;
  }
  const can = join(modules, "kernel/net/can/can-raw.ko");
  return existsSync(can) || existsSync(`${can}.xz`) ? { version, image, modules } : undefined;
}

/** What the meta package stands for today, such as linux-image-6.1.0-56-amd64. */
function packageName(): string {
  for (const attempt of ["known", "updated"]) {
    if (attempt === "updated" && process.getuid?.() === 0) updateLists();
    try {
      const name = /Depends: (linux-image-\S+)/.exec(run("apt-cache", ["depends", META_PACKAGE]))?.[1];
      if (name !== undefined) return name;
    } catch {
      // The lists know no such package: they may be empty.
    }
  }
  throw new Missing(`apt-get knows no ${META_PACKAGE} (apt-get update, or a Debian machine)`);
}

function fetchKernel(name: string, cache: string): void {
  console.log(`vm: fetching ${name}`);
  const work = mkdtempSync(join(cache, "unpack-"));
  try {
    run("apt-get", ["-qq", "-o", "APT::Sandbox::User=root", "download", name], {
      cwd: work,
      limitMs: DOWNLOAD_LIMIT_MS,
    });
    const file = readdirSync(work).find((entry) => entry.endsWith(".deb"));
    const unpack = 'dpkg-deb --fsys-tarfile "$0" | tar x --wildcards -- "$@"';
    run("sh", ["-c", unpack, file ?? "", ...PARTS.map((part) => `./${part}`)], { cwd: work });
    rmSync(join(work, file ?? ""));
    // In one step: what bears the package's name is whole.
    renameSync(work, folderOf(cache, name));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function folderOf(cache: string, name: string): string {
  return join(cache, `${name}+${PARTS_HASH}`);
}

function parts(...folders: string[]): string[] {
  return folders.map((folder) => `lib/modules/*/kernel/${folder}/*`);
}
