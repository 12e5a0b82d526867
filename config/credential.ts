/**
 * `credential:NAME` in the place of a file: a secret that systemd reads as root and hands to the service alone
 * (systemd.exec(5), `LoadCredential=`). Other processes, such as `busbar check` in a shell, cannot see it: for them any
 * name is right.
 */
import { join } from "node:path";
import type { SiteCheck } from "./load.ts";

const PREFIX = "credential:";

/** The NAME, or undefined for what names a file. */
export function credentialName(text: string): string | undefined {
  return text.startsWith(PREFIX) ? text.slice(PREFIX.length) : undefined;
}

/** Where it lies; undefined in a process that was given none. */
export function credentialPath(text: string, folder = process.env.CREDENTIALS_DIRECTORY): string | undefined {
  const name = credentialName(text);
  // No name leads out of the folder.
  return name === undefined || folder === undefined ? undefined : join(folder, name.replaceAll("/", "_"));
}

export function credentialMissing(name: string): string {
  return `credential ${name} is not there; allowed: one that the unit loads, with LoadCredential=${name}:FILE`;
}

/** For the service itself: a process that was given no credentials cannot use what the file names. */
export const checkCredentials: SiteCheck = ({ uplink, local }) => {
  const holders = { uplink, "local mqtt": local.mqtt, "local http": local.http };
  return Object.entries(holders).flatMap(([path, holder]) =>
    Object.entries(holder).flatMap(([key, value]) => {
      const name = typeof value === "string" && key.endsWith("_file") ? credentialName(value) : undefined;
      return name === undefined ? [] : [{ path: [...path.split(" "), key], message: credentialMissing(name) }];
    }),
  );
};
