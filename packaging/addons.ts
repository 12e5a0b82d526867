/** The compiled addons of the target machine, and nothing that looks for them at run time. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "esbuild";
import { BusbarError } from "../core/errors.ts";
import type { Arch } from "./arch.ts";

export interface Addons {
  readonly sqlite: string;
  readonly serial: string;
  /** The folder with can.node and can_signals.node. */
  readonly can: string;
}

/** Throws BusbarError CONFIG_INVALID when one is missing. `can`: where socketcan was compiled for the target. */
export function addonsOf(root: string, arch: Arch, can: string): Addons {
  const modules = join(root, "node_modules");
  const addons = {
    sqlite: join(modules, "better-sqlite3", "prebuilds", `linux-${arch.node}.node`),
    serial: join(modules, "@serialport", "bindings-cpp", "prebuilds", arch.serialPrebuild),
    can,
  };
  for (const path of [addons.sqlite, addons.serial, join(can, "can.node")]) {
    if (existsSync(path)) continue;
    const remedy = "install g++, make and python3, then run npm ci";
    throw new BusbarError("CONFIG_INVALID", `${path} is missing`, { remedy });
  }
  return addons;
}

/** Each addon lies once beside the bundle, under a name of its own. */
export function addonFiles({ sqlite, serial, can }: Addons): ReadonlyMap<string, string> {
  return new Map([
    ["sqlite.node", sqlite],
    ["serial.node", serial],
    ["can.node", join(can, "can.node")],
    ["can_signals.node", join(can, "can_signals.node")],
  ]);
}

/** Where a package asks for its addon, or for somebody who searches the disk for it. */
const ASKED: readonly (readonly [filter: RegExp, name: string, isSearch?: true])[] = [
  [/\/prebuilds\/linux-.*\.node$/, "sqlite.node"],
  [/\/build\/Release\/can\.node$/, "can.node"],
  [/\/build\/Release\/can_signals\.node$/, "can_signals.node"],
  [/^node-gyp-build$/, "serial.node", true],
];

/** Bundled code loads each addon from where `addonFiles` has put it. */
export const addonPlugin: Plugin = {
  name: "addons",
  setup(build) {
    for (const [filter, name, isSearch] of ASKED) {
      build.onResolve({ filter }, () => ({ path: name, namespace: isSearch ? "search" : "addon" }));
    }
    for (const [namespace, prefix] of [
      ["addon", ""],
      ["search", "() => "],
    ] as const) {
      build.onLoad({ filter: /.*/, namespace }, ({ path }) => ({
        contents: `module.exports = ${prefix}require("./${path}")`,
      }));
      build.onResolve({ filter: /.*/, namespace }, ({ path }) => ({ path, external: true }));
    }
  },
};
