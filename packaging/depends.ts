/** What the binaries need of the target's system, read from the symbol versions that they ask for. */
import { BusbarError } from "../core/errors.ts";

/** `GLIBCXX_3.4.29` came with GCC 11: "ABI policy and guidelines" of the GNU C++ library's manual, and Debian's symbol file. */
const GLIBCXX: readonly (readonly [patch: number, gcc: string])[] = [
  [21, "5"],
  [22, "6"],
  [24, "7"],
  [25, "8"],
  [28, "9"],
  [29, "11"],
  [30, "12"],
  [32, "13"],
  [33, "14"],
];

const LIBRARIES: Readonly<Record<string, string>> = {
  "libc.so.6": "libc6",
  "libm.so.6": "libc6",
  "libdl.so.2": "libc6",
  "libpthread.so.0": "libc6",
  "ld-linux-x86-64.so.2": "libc6",
  "ld-linux-aarch64.so.1": "libc6",
  "libstdc++.so.6": "libstdc++6",
  "libgcc_s.so.1": "libgcc-s1",
};

/**
 * The `Depends` entries for what `readelf -dVW` printed of each binary, sorted. Throws BusbarError INTERNAL for a library
 * or a version that is not known here.
 */
export function dependsOf(readelf: readonly string[]): string[] {
  const needed = new Map<string, string>();
  for (const text of readelf) {
    for (const [, library] of text.matchAll(/\(NEEDED\).*\[(.+)\]/g)) {
      const name = LIBRARIES[library as string];
      if (name === undefined) throw unknown(`library ${library}`);
      if (!needed.has(name)) needed.set(name, "0");
    }
    for (const [, symbols, version] of text.matchAll(/Name: (GLIBC|GLIBCXX|GCC)_([0-9.]+)/g)) {
      const [name, least] = leastVersion(symbols as string, version as string);
      if (isLater(least, needed.get(name) ?? "0")) needed.set(name, least);
    }
  }
  return [...needed].map(([name, least]) => `${name} (>= ${least})`).sort();
}

function leastVersion(symbols: string, version: string): readonly [name: string, least: string] {
  if (symbols === "GLIBC") return ["libc6", version];
  if (symbols === "GCC") return ["libgcc-s1", version];
  const patch = Number(version.split(".")[2] ?? 0);
  const gcc = GLIBCXX.find(([last]) => patch <= last)?.[1];
  if (gcc === undefined) throw unknown(`${symbols}_${version}`);
  return ["libstdc++6", gcc];
}

function isLater(one: string, other: string): boolean {
  const [a, b] = [one, other].map((version) => version.split(".").map(Number)) as [number[], number[]];
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

function unknown(what: string): BusbarError {
  return new BusbarError("INTERNAL", `a binary needs ${what}, which no Debian package is known for`, {
    remedy: "add it to packaging/depends.ts",
  });
}
