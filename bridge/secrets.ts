/** Passwords and PEM files: read at every connection, so that a renewed file needs no restart. */
import { readFile } from "node:fs/promises";
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
export async function readPassword(key: string, path: string): Promise<string> {
  const bytes = await readKey(key, path);
  return (bytes.toString("utf8").split("\n", 1)[0] ?? "").replace(/\r$/, "");
}

/** Throws BusbarError CONFIG_UNREADABLE. */
export async function readTls(key: string, files: TlsFiles): Promise<TlsMaterial> {
  const read = async (name: keyof TlsFiles): Promise<Buffer | undefined> => {
    const path = files[name];
    return path === undefined ? undefined : await readKey(`${key}.${name}`, path);
  };
  const [ca, cert, pem] = [await read("ca_file"), await read("cert_file"), await read("key_file")];
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(pem === undefined ? {} : { key: pem }),
  };
}

async function readKey(key: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const what = `${key} ${path} cannot be read (${systemCode(cause)})`;
    throw new BusbarError("CONFIG_UNREADABLE", what, { remedy: "check that it exists and Busbar may read it", cause });
  }
}
