/** The guest's systemd, packages and journal, as an administrator has them. */
import { execFile } from "node:child_process";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import type { SuiteContext, TestContext } from "node:test";
import { inspect, promisify } from "node:util";

/** Why tests are skipped outside of the guest, or false. */
export const NOT_GUEST: string | false =
  process.env.BUSBAR_VM_SYSTEMD === "1" ? false : "needs root of a Debian of its own: npm run test:vm";

/** The host's folder: what is written there outlives the machine. */
export const RESULTS = "/results";
export const CONFIG = "/etc/busbar/busbar.yaml";
export const STATE = "/var/lib/busbar";
export const UNIT = "busbar.service";
/** Long enough for a few processes under TCG on a busy machine. */
export const SOON_MS = 90_000;
const COMMAND_LIMIT_MS = 120_000;
const JOURNAL_LINES = "60";

const execute = promisify(execFile);

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, whatever its exit code. */
export async function attempt(program: string, ...args: string[]): Promise<Ended> {
  try {
    return { code: 0, ...(await execute(program, args, { timeout: COMMAND_LIMIT_MS, maxBuffer: 64 * 1024 ** 2 })) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (typeof code !== "number") throw error;
    return { code, stdout: stdout ?? "", stderr: stderr ?? "" };
  }
}

/** Runs a program and returns its output. Throws, with what it said, when it fails. */
export async function run(program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await attempt(program, ...args);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: exit code ${code}\n${stderr}${stdout}`);
  return stdout;
}

/** One property of the gateway's unit. */
export async function property(name: string): Promise<string> {
  return (await run("systemctl", "show", "--property", name, "--value", UNIT)).trim();
}

/**
 * Changes with every start of the service's process; 0 without one. Not asked of systemctl, which takes a third of a
 * second here.
 */
export function mainPid(): number {
  const file = `/sys/fs/cgroup/system.slice/${UNIT}/cgroup.procs`;
  return existsSync(file) ? Number.parseInt(readFileSync(file, "utf8"), 10) || 0 : 0;
}

/** The gateway's lines in the journal, from a moment on (milliseconds since 1970). */
export function journal(sinceMs: number): Promise<string> {
  return run("journalctl", "--quiet", "--no-pager", "-o", "cat", "-u", UNIT, `--since=@${(sinceMs / 1000).toFixed(3)}`);
}

/** To be called after each test: the journal's end belongs to a failure. */
export async function explain(t: TestContext | SuiteContext): Promise<void> {
  if (!("passed" in t) || t.passed) return;
  // Told at once: the reporter's summary comes at the very end, which a machine that is ended never reaches.
  if ("error" in t) t.diagnostic(inspect(t.error));
  t.diagnostic(await run("journalctl", "--quiet", "--no-pager", "-u", UNIT, "-n", JOURNAL_LINES));
  t.diagnostic((await attempt("systemctl", "status", "--no-pager", "--lines=0", UNIT)).stdout);
}

/** A line in one of the results' files. */
export function note(file: string, line: unknown): void {
  appendFileSync(`${RESULTS}/${file}`, `${JSON.stringify(line)}\n`);
}
