/** Passwords and PEM files: read at every connection, so that a renewed file needs no restart. */
import { readFileSync } from "node:fs";
import { BusbarError, systemCode } from "../core/errors.ts";

export interface TlsFiles {
  readonly ca_file?: string | undefined;
  readonly cert_file?: string | undefined;
  readonly key_file?: string | undefined;
}

export interface TlsMaterial {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** The first line. Throws BusbarError CONFIG_UNREADABLE, which names key and file, never what is in it. */
export function readPassword(key: string, path: string): string {
  const bytes = readKey(key, path);
  return (bytes.toString("utf8").split("\n", 1)[0] ?? "").replace(/\r$/, "");
}

/** Throws BusbarError CONFIG_UNREADABLE. */
export function readTls(key: string, files: TlsFiles): TlsMaterial {
  const read = (name: keyof TlsFiles): Buffer | undefined => {
    const path = files[name];
    return path === undefined ? undefined : readKey(`${key}.${name}`, path);
  };
  const [ca, cert, pem] = [read("ca_file"), read("cert_file"), read("key_file")];
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(pem === undefined ? {} : { key: pem }),
  };
}

function readKey(key: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const what = `${key} ${path} cannot be read (${systemCode(cause)})`;
    throw new BusbarError("CONFIG_UNREADABLE", what, { remedy: "check that it exists and Busbar may read it", cause });
  }
}
