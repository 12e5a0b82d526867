import type { SpawnSyncReturns } from "node:child_process";

/** Throws, with its last lines, when a program did not end well. */
export function checkRun(what: string, { status, error, stdout, stderr }: SpawnSyncReturns<string>): void {
  if (status === 0) return;
  const said = `${stdout}${stderr}`.trim().split("\n").slice(-20).join("\n");
  throw new Error(`${what} failed (${error?.message ?? `exit code ${status}`}); its last lines:\n${said}`);
}
