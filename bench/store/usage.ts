/** What a process has used, as the kernel counts it. */
import { readFileSync } from "node:fs";
import { processCpuMs } from "../support/cpu.ts";

export interface Usage {
  readonly wallMs: number;
  /** User and system time of all threads. */
  readonly cpuMs: number;
  /** Bytes that were sent to the storage layer; a page that is dirtied again counts again. */
  readonly deviceBytes: number;
}

export const NOTHING: Usage = { wallMs: 0, cpuMs: 0, deviceBytes: 0 };

export function ownUsage(): Usage {
  const { user, system } = process.cpuUsage();
  return { wallMs: performance.now(), cpuMs: (user + system) / 1000, deviceBytes: deviceBytes("self") };
}

export function usageOf(pid: number): Usage {
  return { wallMs: performance.now(), cpuMs: processCpuMs(pid), deviceBytes: deviceBytes(pid) };
}

export function between(from: Usage, to: Usage): Usage {
  return {
    wallMs: to.wallMs - from.wallMs,
    cpuMs: to.cpuMs - from.cpuMs,
    deviceBytes: to.deviceBytes - from.deviceBytes,
  };
}

export function plus(one: Usage, other: Usage): Usage {
  return {
    wallMs: one.wallMs + other.wallMs,
    cpuMs: one.cpuMs + other.cpuMs,
    deviceBytes: one.deviceBytes + other.deviceBytes,
  };
}

/** Resident memory in MiB: now, and the most so far. */
export function memoryOf(pid: number): { readonly nowMib: number; readonly mostMib: number } {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const mib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / 1024;
  return { nowMib: mib("VmRSS"), mostMib: mib("VmHWM") };
}

function deviceBytes(pid: number | "self"): number {
  return Number(/^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "latin1"))?.[1]);
}
