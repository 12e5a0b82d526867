/** The programs that the run needs, installed where that is possible. */
import { execFileSync } from "node:child_process";
import { accessSync, constants, readFileSync } from "node:fs";

/** This machine cannot run the suite; the message says what to do. */
export class Missing extends Error {}

/** Debian's package of each program that a suite runs, on the machine or from its root in the guest. */
export type Packages = Readonly<Record<string, string>>;

const APT_LIMIT_MS = 300_000;
const APT = ["-o", "DPkg::Lock::Timeout=120", "-qq"];

/** Throws Missing. */
export function provideTools(packages: Packages): void {
  if (process.arch !== "x64") throw new Missing(`the guest is x86-64, this machine is ${process.arch}`);
  if (absent(packages).length === 0) return;
  if (process.getuid?.() === 0 && whereIs("apt-get") !== undefined) {
    updateLists();
    install(absent(packages));
  }
  const rest = absent(packages);
  if (rest.length > 0) throw new Missing(`not installed: ${rest.join(" ")} (apt-get install ${rest.join(" ")})`);
}

/** Runs a program to its end and returns its output. Throws when it fails or takes longer than the limit. */
export function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; limitMs?: number } = {},
): string {
  return execFileSync(command, args, {
    encoding: "utf8",
    timeout: options.limitMs ?? 60_000,
    maxBuffer: 64 * 1024 ** 2,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
}

/** The program's path, also where a user's PATH leaves out the sbin folders. */
export function whereIs(program: string): string | undefined {
  const path = `${process.env.PATH ?? ""}:/usr/sbin:/sbin`;
  for (const folder of path.split(":")) {
    try {
      accessSync(`${folder}/${program}`, constants.X_OK);
      return `${folder}/${program}`;
    } catch {
      // Not there, or not for us: the next one.
    }
  }
  return undefined;
}

let listsUpdated = false;

/** A fresh container has no package lists. Once per run. */
export function updateLists(): void {
  if (listsUpdated) return;
  listsUpdated = true;
  run("apt-get", [...APT, "update"], { limitMs: APT_LIMIT_MS });
}

function install(packages: readonly string[]): void {
  console.log(`vm: installing ${packages.join(" ")}`);
  run("apt-get", [...APT, "install", "-y", "--no-install-recommends", ...packages], { limitMs: APT_LIMIT_MS });
}

function absent(packages: Packages): string[] {
  return [...new Set(Object.entries(packages).flatMap(([program, name]) => (isUsable(program) ? [] : [name])))];
}

function isUsable(program: string): boolean {
  const path = whereIs(program);
  if (path === undefined) return false;
  // Alone in an initramfs a dynamically linked busybox finds no loader.
  return program !== "busybox" || !readFileSync(path).includes("/ld-linux");
}
