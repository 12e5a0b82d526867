import { execFileSync } from "node:child_process";
import { cpus, release, totalmem } from "node:os";

/** `8 × Some CPU, 16 GiB, Linux 6.1, Node v24`: what a figure is worth nothing without. */
export function describeMachine(): string {
  const cores = cpus();
  const memoryGib = (totalmem() / 1024 ** 3).toFixed(1);
  const model = cores[0]?.model.trim() ?? "unknown CPU";
  return `${cores.length} × ${model} (${process.arch}), ${memoryGib} GiB, Linux ${release()}, Node ${process.version}`;
}

/** The commit that is measured, with `+ changes` when the checkout differs from it. */
export function describeCommit(): string {
  try {
    const git = (...args: string[]): string => execFileSync("git", args, { encoding: "utf8", stdio: "pipe" }).trim();
    const changed = git("status", "--porcelain", "--untracked-files=no") !== "";
    return `${git("rev-parse", "--short=12", "HEAD")}${changed ? " + changes" : ""}`;
  } catch {
    return "unknown";
  }
}
