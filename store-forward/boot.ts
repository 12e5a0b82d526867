/**
 * The small file beside the outbox that survives it: which boot this is, which epoch's records the cloud has how far.
 *
 * JSON, replaced as a whole: written to `<file>.tmp`, fsync, rename, fsync of the folder. A power cut leaves the old or
 * the new one. It is written at every start before a record can leave, at least once a minute while something changed,
 * and at the end; marks in it may be a minute old, which makes a gap after the loss of the outbox wider, never narrower.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { Stream } from "../core/record.ts";
import { STREAMS } from "../core/record.ts";

/** No gateway with this software ran before. */
export const BUILD_DATE_MS = Date.UTC(2026, 10, 1);
/** What a datagram has room for (DESIGN §7). A clock that shows more seconds than that, in 2106, is wrong. */
export const MAX_BOOT = 2 ** 32 - 1;
/** Five years: a gateway may lie on a shelf so long, and its clock go on. */
const BELIEVED_MS = 5 * 365 * 86_400_000;

export interface BootState {
  /** Starts of this gateway. */
  readonly boot: number;
  readonly epoch: string;
  /** Wall time as far as it is known to be true (outbox/boot-keeper.ts), milliseconds since 1970. */
  readonly wallMs: number;
  /** No sample stored until then is later, whatever its clock was worth, milliseconds since 1970. */
  readonly newestMs?: number;
  /** Oldest data that the cloud has not acknowledged, milliseconds since 1970. */
  readonly oldestMs: number;
  /** Per stream of `epoch`: every record up to it is acknowledged. */
  readonly acked: Readonly<Record<Stream, number>>;
  /** Bytes that went to disks on that day (UTC, days since 1970), where the system tells. */
  readonly written?: { readonly day: number; readonly bytes: number };
}

export function bootFileOf(storePath: string): string {
  return `${storePath}.boot`;
}

/** What was last written; undefined when there is no such file or it is not one of ours. Never throws. */
export function readBootFile(path: string): BootState | undefined {
  try {
    const state = JSON.parse(readFileSync(path, "utf8")) as BootState;
    return isBootState(state) ? state : undefined;
  } catch {
    return undefined;
  }
}

/** Durable when it returns. Throws the file system's error. */
export function writeBootFile(path: string, state: BootState): void {
  const draft = `${path}.tmp`;
  const file = openSync(draft, "w", 0o640);
  try {
    writeSync(file, `${JSON.stringify(state)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/**
 * Where a clock that is not set begins at least, milliseconds since 1970: behind everything stored, unless that was
 * stamped by a clock years ahead of all that is known.
 */
export function leastWallMs(previous: BootState | undefined): number {
  const { wallMs = 0, newestMs = 0 } = previous ?? {};
  const knownMs = Math.max(wallMs, BUILD_DATE_MS);
  return newestMs - knownMs > BELIEVED_MS ? knownMs : Math.max(knownMs, newestMs);
}

/** The number of this start. Without the file: the clock's seconds, so that it is above whatever was used before. */
export function nextBoot(previous: BootState | undefined, newestStored: number, wallMs: number): number {
  const clockS = Math.floor(wallMs / 1000) < MAX_BOOT ? Math.floor(wallMs / 1000) : 0;
  const counted = previous === undefined ? Math.max(clockS, BUILD_DATE_MS / 1000) : previous.boot + 1;
  return Math.max(counted, newestStored + 1);
}

function isBootState(state: BootState): boolean {
  const { boot, wallMs, newestMs = 0, oldestMs, acked, written = { day: 0, bytes: 0 } } = state;
  const counts = [
    boot,
    wallMs,
    newestMs,
    oldestMs,
    ...STREAMS.map((stream) => acked[stream]),
    written.day,
    written.bytes,
  ];
  if (boot >= MAX_BOOT) return false;
  return /^[0-9a-z]{8}$/.test(state.epoch) && counts.every((count) => Number.isSafeInteger(count) && count >= 0);
}
