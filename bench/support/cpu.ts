import { readFileSync } from "node:fs";

/** Linux counts in hundredths of a second here, whatever the kernel's own tick (`man 5 proc`, USER_HZ). */
const MS_PER_TICK = 10;

/** CPU time that all processes of the machine have used, with what its host took away (milliseconds since boot). */
export function machineCpuMs(): number {
  const [total = ""] = readFileSync("/proc/stat", "latin1").split("\n", 1);
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = total.split(/\s+/).map(Number);
  return (user + nice + system + irq + softirq + steal) * MS_PER_TICK;
}

/** CPU time that a process has used, all its threads (milliseconds); 0 for one that is not there. */
export function processCpuMs(pid: number | undefined): number {
  if (pid === undefined) return 0;
  try {
    // The name in parentheses may hold blanks: fields are counted behind it; user and system time are the 14th and 15th.
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
  } catch {
    return 0;
  }
}

/** How many cores others than `pids` kept busy since this was called: a figure of a shared machine tells it beside. */
export function watchOthers(pids: readonly (number | undefined)[]): () => number {
  const own = (): number => [process.pid, ...pids].reduce<number>((sum, pid) => sum + processCpuMs(pid), 0);
  const [from, machineFrom, ownFrom] = [performance.now(), machineCpuMs(), own()];
  return () => (machineCpuMs() - machineFrom - (own() - ownFrom)) / (performance.now() - from);
}
