/** What differs between the machines that a package is for. */
import { BusbarError } from "../core/errors.ts";

export interface Arch {
  /** Debian's name. */
  readonly debian: "amd64" | "arm64";
  /** Node's name, in folders of prebuilt addons. */
  readonly node: "x64" | "arm64";
  /** Prefix of the binutils that read and strip its binaries. */
  readonly gnu: string;
  /** The serial port addon within its package's `prebuilds`. */
  readonly serialPrebuild: string;
  /** The C library's loader, which an addon compiled for another machine does not name. */
  readonly machine: string;
}

const ARCHS: readonly Arch[] = [
  {
    debian: "amd64",
    node: "x64",
    gnu: "x86_64-linux-gnu",
    serialPrebuild: "linux-x64/@serialport+bindings-cpp.glibc.node",
    machine: "Advanced Micro Devices X86-64",
  },
  {
    debian: "arm64",
    node: "arm64",
    gnu: "aarch64-linux-gnu",
    serialPrebuild: "linux-arm64/@serialport+bindings-cpp.armv8.glibc.node",
    machine: "AArch64",
  },
];

/** Throws BusbarError CONFIG_INVALID for a machine that no package is built for. */
export function archOf(name: string): Arch {
  const arch = ARCHS.find(({ debian }) => debian === name);
  if (arch !== undefined) return arch;
  const known = ARCHS.map(({ debian }) => debian).join(", ");
  throw new BusbarError("CONFIG_INVALID", `--arch ${name}: no such architecture`, { remedy: `there are: ${known}` });
}

/** The architecture of this machine. */
export function ownArch(): string {
  return ARCHS.find(({ node }) => node === process.arch)?.debian ?? process.arch;
}
