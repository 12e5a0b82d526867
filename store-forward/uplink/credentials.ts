/** User name, password and PEM files of the uplink: read at every dial, so that a renewed file needs no restart. */
import { readFile } from "node:fs/promises";
import { BusbarError, systemCode } from "../../core/errors.ts";
import type { UplinkConfig } from "../config.ts";
import type { LinkOptions } from "./link-options.ts";

export type Credentials = Pick<LinkOptions, "username" | "password" | "tls">;

/** Throws BusbarError CONFIG_UNREADABLE, which names the key and the file, never what is in it. */
export async function readCredentials(config: UplinkConfig): Promise<Credentials> {
  const password = await readKey("password_file", config.password_file);
  const ca = await readKey("ca_file", config.ca_file);
  const cert = await readKey("cert_file", config.cert_file);
  const key = await readKey("key_file", config.key_file);
  return {
    ...(config.username === undefined ? {} : { username: config.username }),
    ...(password === undefined ? {} : { password: firstLine(password) }),
    tls: {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    },
  };
}

async function readKey(key: string, path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path);
  } catch (cause) {
    const what = `uplink.${key} ${path} cannot be read (${systemCode(cause)})`;
    throw new BusbarError("CONFIG_UNREADABLE", what, { remedy: "check that it exists and Busbar may read it", cause });
  }
}

function firstLine(bytes: Buffer): string {
  return (bytes.toString("utf8").split("\n", 1)[0] ?? "").replace(/\r$/, "");
}
