import { execFileSync } from "node:child_process";
import { BusbarError, systemCode } from "../core/errors.ts";

/**
 * What the command printed. Throws BusbarError INTERNAL with what it complained of; `from` names the Debian package that
 * it comes in.
 */
export function output(
  command: string,
  args: readonly string[],
  from: string,
  env: Readonly<Record<string, string>> = {},
): string {
  try {
    return execFileSync(command, args, {
      env: { ...process.env, ...env },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      maxBuffer: 64e6,
    });
  } catch (cause) {
    const isMissing = systemCode(cause) === "ENOENT";
    const said = (cause as { stderr?: string }).stderr?.trim().slice(-2000) ?? "";
    const why = isMissing ? "is not installed" : `failed: ${said}`;
    const remedy = isMissing ? `apt-get install ${from}` : "see its message";
    throw new BusbarError("INTERNAL", `${command} ${why}`, { remedy, cause });
  }
}
