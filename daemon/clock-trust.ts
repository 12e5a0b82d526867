import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { BUILD_DATE_MS } from "../store-forward/boot.ts";

/**
 * timedatectl has systemd-timedated started for it by way of D-Bus: on a Raspberry Pi that is still booting that takes
 * seconds. Given up too early, a true clock counts as unset; the start waits for it, so not for long.
 */
const ASK_TIMEOUT_MS = 5000;
const ASK = ["show", "--property=NTPSynchronized", "--value"];

export interface TrustSources {
  readonly hasSystemd: () => boolean;
  /** What systemd says: "yes" or "no". Rejects when it cannot be asked. */
  readonly ntpSynchronized: () => Promise<string>;
}

export const MACHINE: TrustSources = {
  hasSystemd: () => existsSync("/run/systemd/system"),
  ntpSynchronized: async () => (await promisify(execFile)("timedatectl", ASK, { timeout: ASK_TIMEOUT_MS })).stdout,
};

/**
 * True when the system clock may be believed (DESIGN invariant 10): systemd says that it is synchronised; without systemd,
 * it is later than the build date, before which no clock can be true.
 */
export async function clockIsTrusted(nowMs: number, sources: TrustSources = MACHINE): Promise<boolean> {
  if (nowMs < BUILD_DATE_MS) return false;
  if (!sources.hasSystemd()) return true;
  try {
    return (await sources.ntpSynchronized()).trim() === "yes";
  } catch {
    return false;
  }
}
