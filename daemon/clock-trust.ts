import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";

/** No clock that shows less can be true: this program was not built yet. */
const BUILD_DATE_MS = Date.UTC(2026, 10, 21);
const ASK_TIMEOUT_MS = 1000;

/**
 * True when the system clock may be believed (DESIGN invariant 10): systemd says that it is synchronised; without systemd,
 * it is later than the build date.
 */
export async function clockIsTrusted(nowMs: number): Promise<boolean> {
  if (nowMs < BUILD_DATE_MS) return false;
  if (!existsSync("/run/systemd/system")) return true;
  try {
    const ask = promisify(execFile);
    const options = { timeout: ASK_TIMEOUT_MS };
    const { stdout } = await ask("timedatectl", ["show", "--property=NTPSynchronized", "--value"], options);
    return stdout.trim() === "yes";
  } catch {
    return false;
  }
}
