/** A guest's first file system: busybox, the kernel modules in the order of their needs, and the first process. */
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Kernel } from "./kernel.ts";
import { run, whereIs } from "./tools.ts";

const SELF = fileURLToPath(import.meta.url);

export interface Contents {
  /** The script that the kernel starts. */
  readonly init: string;
  /** What the guest cannot do without; what these need is found in them. */
  readonly modules: readonly string[];
}

/** The image's path: from the cache, or built. */
export function buildInitramfs(cache: string, kernel: Kernel, contents: Contents): string {
  const hash = createHash("sha256").update(contents.modules.join());
  for (const source of [contents.init, SELF]) hash.update(readFileSync(source));
  const image = join(cache, `initramfs-${kernel.version}-${hash.digest("hex").slice(0, 12)}.gz`);
  if (existsSync(image)) return image;
  const work = mkdtempSync(join(cache, "initramfs-"));
  try {
    const tree = join(work, "tree");
    for (const folder of ["bin", "modules"]) mkdirSync(join(tree, folder), { recursive: true });
    copyFileSync(whereIs("busybox") ?? "", join(tree, "bin/busybox"));
    symlinkSync("busybox", join(tree, "bin/sh"));
    copyFileSync(contents.init, join(tree, "init"));
    chmodSync(join(tree, "init"), 0o755);
    copyModules(kernel, contents.modules, join(tree, "modules"));
    run("sh", ["-c", "find . | cpio -o -H newc --quiet | gzip -1 > ../image"], { cwd: tree });
    renameSync(join(work, "image"), image);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return image;
}

function copyModules(kernel: Kernel, wanted: readonly string[], to: string): void {
  const available = new Map<string, string>();
  const folder = join(kernel.modules, "kernel");
  for (const entry of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (/\.ko(\.xz)?$/.test(entry)) available.set(nameOf(entry), join(folder, entry));
  }
  const builtIn = new Set(readFileSync(join(kernel.modules, "modules.builtin"), "utf8").split("\n").map(nameOf));
  const order: string[] = [];
  const add = (name: string): void => {
    if (builtIn.has(name) || order.includes(`${name}.ko`)) return;
    const path = available.get(name);
    if (path === undefined) throw new Error(`kernel ${kernel.version}: no module ${name} in ${folder}`);
    const target = join(to, `${name}.ko`);
    copyFileSync(path, path.endsWith(".xz") ? `${target}.xz` : target);
    if (path.endsWith(".xz")) run("xz", ["-d", `${target}.xz`]);
    for (const need of needsOf(readFileSync(target))) add(need);
    order.push(`${name}.ko`);
  };
  for (const name of wanted) add(name);
  writeFileSync(join(to, "order"), `${order.join("\n")}\n`);
}

/** The names in `depends=` of the section .modinfo. */
function needsOf(module: Buffer): string[] {
  const from = module.indexOf("\0depends=") + "\0depends=".length;
  const list = module.toString("latin1", from, module.indexOf("\0", from));
  return list
    .split(",")
    .filter((name) => name !== "")
    .map((name) => nameOf(`${name}.ko`));
}

/** The kernel takes - and _ in a module's name for the same. */
function nameOf(path: string): string {
  return basename(path)
    .replace(/\.ko(\.xz)?$/, "")
    .replaceAll("-", "_");
}
