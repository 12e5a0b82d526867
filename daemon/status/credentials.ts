import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { BusbarError, systemCode } from "../../core/errors.ts";

/** How long a wrong password waits for its answer: guessing over the local network becomes slow. */
export const REFUSAL_DELAY_MS = 100;

export interface ListenConfig {
  readonly listen: { readonly host: string; readonly port: number };
  readonly username?: string | undefined;
  readonly password_file?: string | undefined;
}

/** True when user name and password are the configured ones; takes equally long for any wrong one. */
export type CheckCredentials = (username: string, password: string) => boolean;

/**
 * Undefined when none are configured. `key` is the configuration's name for messages (`local.mqtt`).
 * Throws BusbarError CONFIG_UNREADABLE or CONFIG_INVALID: half a credential must never open the door.
 */
export function readCredentials(config: ListenConfig, key: string): CheckCredentials | undefined {
  const { username, password_file: file } = config;
  if (username === undefined && file === undefined) return undefined;
  if (username === undefined || file === undefined) {
    const missing = username === undefined ? "username" : "password_file";
    throw new BusbarError("CONFIG_INVALID", `${key}.${missing} is missing`, {
      remedy: "set username and password_file, or neither",
    });
  }
  const expected = digest(username, readPassword(file, key));
  return (givenName, givenPassword) => timingSafeEqual(digest(givenName, givenPassword), expected);
}

function readPassword(file: string, key: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    const why = systemCode(cause) ?? "unreadable";
    throw new BusbarError("CONFIG_UNREADABLE", `${key}.password_file ${file}: cannot be read (${why})`, {
      remedy: "create it and let the service's user read it",
      cause,
    });
  }
  const password = (text.split("\n", 1)[0] ?? "").replace(/\r$/, "");
  if (password !== "") return password;
  throw new BusbarError("CONFIG_INVALID", `${key}.password_file ${file}: the first line is empty`, {
    remedy: "write the password on it",
  });
}

// Digests have one length, which timingSafeEqual needs; the length prefix keeps ("ab","c") and ("a","bc") apart.
function digest(username: string, password: string): Buffer {
  return createHash("sha256").update(`${username.length}:${username}${password}`).digest();
}
