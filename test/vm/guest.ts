/** One life of the virtual machine. Its second serial line carries the tests' output and what init.sh has to say. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Kernel } from "./kernel.ts";
import { whereIs } from "./tools.ts";

export interface GuestOptions {
  readonly kernel: Kernel;
  readonly initramfs: string;
  /** The checkout, which the guest sees under the same path. */
  readonly root: string;
  /** Where the console's text goes. */
  readonly console: string;
  /** Globs; none: all. */
  readonly tests: readonly string[];
}

const LIMITS = { boot: 90_000, suite: 300_000, powerOff: 20_000 } as const;
const MEMORY_MIB = 1024;
const TAIL_LINES = 30;

/** Runs the tests and returns their exit code. Throws, with the console's tail, when a step takes too long. */
export async function runGuest(options: GuestOptions): Promise<number> {
  const child = spawn(whereIs("qemu-system-x86_64") ?? "", machine(options), { stdio: ["ignore", "pipe", "inherit"] });
  const stop = (): void => void child.kill("SIGKILL");
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
  try {
    return await follow(child, options.console);
  } finally {
    stop();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, stop);
  }
}

async function follow(child: ChildProcess, consoleFile: string): Promise<number> {
  let step: keyof typeof LIMITS = "boot";
  let late = false;
  let code: number | undefined;
  const expire = (): void => {
    late = true;
    child.kill("SIGKILL");
  };
  let timer = setTimeout(expire, LIMITS[step]);
  const enter = (next: keyof typeof LIMITS): void => {
    step = next;
    clearTimeout(timer);
    timer = setTimeout(expire, LIMITS[next]);
  };
  for await (const line of createInterface({ input: child.stdout as NonNullable<typeof child.stdout> })) {
    const news = /^guest: (booted|exit (\d+))$/.exec(line);
    if (news === null) console.log(line);
    else if (news[2] === undefined) enter("suite");
    else {
      code = Number(news[2]);
      enter("powerOff");
    }
  }
  clearTimeout(timer);
  // All tests have told their results: a machine that does not switch itself off changes nothing about them.
  if (code !== undefined) return code;
  const what = late ? `took longer than ${LIMITS[step] / 1000} s` : "ended the machine";
  throw new Error(`vm: step ${step} ${what}; the console's last lines:\n${tail(consoleFile)}`);
}

function machine({ kernel, initramfs, root, console: consoleFile, tests }: GuestOptions): string[] {
  // What the kernel does not know of its command line is init's environment.
  const environment = {
    BUSBAR_DIR: root,
    BUSBAR_NODE: process.execPath,
    BUSBAR_TESTS: (tests.length > 0 ? tests : ["test/vm/guest/*.test.ts"]).join(" "),
    BUSBAR_PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  };
  const variables = Object.entries(environment).map(([name, value]) => `${name}="${value}"`);
  return [
    ["-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", String(MEMORY_MIB)],
    ["-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot"],
    ["-serial", `file:${consoleFile}`, "-serial", "stdio"],
    ["-kernel", kernel.image, "-initrd", initramfs],
    ["-append", ["console=ttyS0 quiet panic=1 mitigations=off", ...variables].join(" ")],
    ["-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"],
    ["-device", "virtio-9p-pci,fsdev=root,mount_tag=hostroot"],
  ].flat();
}

function tail(file: string): string {
  if (!existsSync(file)) return "(nothing)";
  return readFileSync(file, "utf8").split("\n").slice(-TAIL_LINES).join("\n");
}
