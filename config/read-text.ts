/** Reading a configuration file as text, whatever the path turns out to be. */
import { closeSync, openSync, readSync } from "node:fs";
import { messageOf, systemCode } from "../core/errors.ts";

/** Far beyond any real site (one of 1,000 devices takes about 100 KiB); a device such as /dev/zero never ends. */
const MAX_BYTES = 1024 * 1024;

export type TextResult =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly line: number; readonly message: string };

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file; check the path given with --config",
  ENOTDIR: "there is no such file; check the path given with --config",
  EISDIR: "is a directory; allowed: a YAML file",
  EACCES: "may not be read by this user; check the owner and the mode of the file",
};

/** The file's text: UTF-8, at most 1 MiB, no control characters. Does not throw. */
export function readText(path: string): TextResult {
  let bytes: Buffer;
  try {
    bytes = readBytes(path);
  } catch (error) {
    const message = REASONS[systemCode(error) ?? ""] ?? `cannot be read: ${messageOf(error)}`;
    return { ok: false, line: 1, message };
  }
  if (bytes.length > MAX_BYTES) return { ok: false, line: 1, message: "is too large; allowed: at most 1 MiB" };
  const line = firstBinaryLine(bytes);
  if (line !== undefined) return { ok: false, line, message: "is no text; allowed: a YAML file in UTF-8" };
  return { ok: true, text: new TextDecoder().decode(bytes) };
}

function readBytes(path: string): Buffer {
  const file = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(MAX_BYTES + 1);
    let length = 0;
    while (length < bytes.length) {
      const read = readSync(file, bytes, length, bytes.length - length, null);
      if (read === 0) break;
      length += read;
    }
    return bytes.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

/** The first line (from 1) that is not UTF-8 or holds control characters other than tab and carriage return. */
function firstBinaryLine(bytes: Buffer): number | undefined {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline === -1 ? bytes.length : newline;
    try {
      if (hasControl(decoder.decode(bytes.subarray(start, end)))) return line;
    } catch {
      return line;
    }
    start = end + 1;
  }
  return undefined;
}

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x7f || (code < 0x20 && code !== 0x09 && code !== 0x0d)) return true;
  }
  return false;
}
