/** One life of a virtual machine. Its second serial line carries the tests' output and lines `guest: …` for us. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Kernel } from "./kernel.ts";
import { whereIs } from "./tools.ts";

export interface Machine {
  readonly kernel: Kernel;
  readonly initramfs: string;
  /** Where the console's text goes. */
  readonly console: string;
  /** Of the kernel, and the environment of the first process: what the kernel does not know. */
  readonly parameters: readonly string[];
  /** Disks and shared folders. */
  readonly devices: readonly string[];
  readonly limits: Limits;
  /** When the guest wishes for a cut: chooses the moment. Default: at once. */
  readonly chooseCut?: (cut: () => void) => void;
}

/** Milliseconds that each step may take; the suite's begin anew with each line `guest: next`. */
export interface Limits {
  readonly boot: number;
  readonly suite: number;
}

/** The guest's exit code, or its wish that the mains fail now. */
export type End = { readonly exitCode: number } | "cut";

const POWER_OFF_MS = 20_000;
const MEMORY_MIB = 1024;
const TAIL_LINES = 30;

/** Runs the machine to its end. Throws, with the console's tail, when a step takes too long. */
export async function live(machine: Machine): Promise<End> {
  const child = spawn(whereIs("qemu-system-x86_64") ?? "", argumentsOf(machine), {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const stop = (): void => void child.kill("SIGKILL");
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
  try {
    return await follow(child, machine);
  } finally {
    stop();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, stop);
  }
}

async function follow(child: ChildProcess, machine: Machine): Promise<End> {
  const { limits, console: consoleFile, chooseCut = (cut) => cut() } = machine;
  const limitsMs = { ...limits, powerOff: POWER_OFF_MS };
  let step: keyof typeof limitsMs = "boot";
  let late = false;
  let end: End | undefined;
  const expire = (): void => {
    late = true;
    child.kill("SIGKILL");
  };
  let timer = setTimeout(expire, limitsMs[step]);
  const enter = (next: keyof typeof limitsMs): void => {
    step = next;
    clearTimeout(timer);
    timer = setTimeout(expire, limitsMs[next]);
  };
  for await (const line of createInterface({ input: child.stdout as NonNullable<typeof child.stdout> })) {
    const news = /^guest: (booted|next|cut|exit (\d+))$/.exec(line);
    if (news === null) console.log(line);
    else if (news[1] === "booted" || news[1] === "next") enter("suite");
    else if (news[1] === "cut") {
      end = "cut";
      chooseCut(() => child.kill("SIGKILL"));
    } else {
      end = { exitCode: Number(news[2]) };
      enter("powerOff");
    }
  }
  clearTimeout(timer);
  // All tests have told their results: a machine that does not switch itself off changes nothing about them.
  if (end !== undefined) return end;
  const what = late ? `took longer than ${limitsMs[step] / 1000} s` : "ended the machine";
  throw new Error(`vm: step ${step} ${what}; the console's last lines:\n${tail(consoleFile)}`);
}

function argumentsOf({ kernel, initramfs, console: consoleFile, parameters, devices }: Machine): string[] {
  return [
    ["-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", String(MEMORY_MIB)],
    ["-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot"],
    ["-serial", `file:${consoleFile}`, "-serial", "stdio"],
    ["-kernel", kernel.image, "-initrd", initramfs],
    ["-append", ["console=ttyS0 quiet panic=1 mitigations=off", ...parameters].join(" ")],
    // The whole machine's files, read-only, at the same paths: no image is built of the checkout.
    ["-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"],
    ["-device", "virtio-9p-pci,fsdev=root,mount_tag=hostroot"],
    devices,
  ].flat();
}

function tail(file: string): string {
  if (!existsSync(file)) return "(nothing)";
  return readFileSync(file, "utf8").split("\n").slice(-TAIL_LINES).join("\n");
}
