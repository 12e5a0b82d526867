/** What is compiled for the target: its Node.js and the CAN addon, from node_modules or made for another machine. */
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BusbarError } from "../core/errors.ts";
import type { Arch } from "./arch.ts";
import { output } from "./shell.ts";

export interface Target {
  /** The package node-linux-… as a folder: bin/node, its headers, its licence. */
  readonly runtime: string;
  /** The folder with can.node and can_signals.node. */
  readonly canAddon: string;
}

/** `scratch`: an empty folder that outlives the use of what is returned. */
export function targetOf(root: string, arch: Arch, scratch: string): Target {
  const runtime = runtimeFor(root, arch, scratch);
  if (arch.node === process.arch) return { runtime, canAddon: join(root, "node_modules/socketcan/build/Release") };
  return { runtime, canAddon: crossCompiled(root, arch, runtime, scratch) };
}

/** npm leaves out what is for another machine; then it is fetched by itself, and must be what the lock file names. */
function runtimeFor(root: string, arch: Arch, scratch: string): string {
  const name = `node-linux-${arch.node}`;
  const installed = join(root, "node_modules", name);
  if (existsSync(join(installed, "bin/node"))) return installed;
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, { readonly version: string; readonly integrity: string }>>;
  };
  const locked = lock.packages[`node_modules/${name}`];
  if (locked === undefined) throw new BusbarError("INTERNAL", `package-lock.json does not name ${name}`);
  output("npm", ["pack", `${name}@${locked.version}`, "--pack-destination", scratch], "npm");
  const archive = join(scratch, `${name}-${locked.version}.tgz`);
  const integrity = `sha512-${createHash("sha512").update(readFileSync(archive)).digest("base64")}`;
  if (integrity !== locked.integrity) {
    throw new BusbarError("INTERNAL", `${name} ${locked.version} is not what package-lock.json names`, {
      remedy: "somebody has changed it on its way",
    });
  }
  const folder = join(scratch, name);
  mkdirSync(folder);
  output("tar", ["-xzf", archive, "-C", folder, "--strip-components=1"], "tar");
  return folder;
}

function crossCompiled(root: string, arch: Arch, runtime: string, scratch: string): string {
  const source = join(root, "node_modules/socketcan");
  const copy = join(scratch, "socketcan");
  cpSync(source, copy, { recursive: true, filter: (path) => path !== join(source, "build") });
  const args = ["rebuild", `--arch=${arch.node}`, `--nodedir=${runtime}`, "-C", copy];
  const compiler = { CC: `${arch.gnu}-gcc`, CXX: `${arch.gnu}-g++`, AR: `${arch.gnu}-ar` };
  const gyp = join(root, "node_modules/node-gyp/bin/node-gyp.js");
  const debian = `g++-${arch.gnu.replaceAll("_", "-")}, make and python3`;
  output(process.execPath, [gyp, ...args], debian, { ...compiler, NODE_PATH: join(root, "node_modules") });
  return join(copy, "build/Release");
}
