/**
 * Opening: whatever lies there, an outbox comes of it, or an error that says what to do.
 *
 * Not ours, damaged or of another version: renamed beside itself (`<file>.corrupt-<milliseconds>`, its log with it; the
 * newest three are kept), and a new file with a new epoch begins. Only the header, the schema and what SQLite reads to
 * open are checked: start-up does not wait for gigabytes. Rows carry checksums that every read verifies. What the old
 * file still holds is taken over later (salvage.ts).
 */
import { lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { BusbarError, messageOf, systemCode } from "../../core/errors.ts";
import { faultOf, openSqlite } from "./sqlite.ts";
import { Store } from "./store.ts";

const KEPT = 3;

export interface OpenedStore {
  readonly store: Store;
  /** Where the file that was found went, and what was wrong with it. */
  readonly quarantined?: { readonly path: string; readonly reason: string };
}

/**
 * `damage`: why the file that is there must not be used, when that is known already. Throws BusbarError STORE_UNWRITABLE
 * when nothing can be opened there for now.
 */
export function openStore(path: string, nowMs: number, damage?: string): OpenedStore {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
    const reason = damage ?? strangerAt(path);
    return reason === undefined ? openOrSetAside(path, nowMs) : setAside(path, reason, nowMs);
  } catch (error) {
    throw unwritable(path, error);
  }
}

function openOrSetAside(path: string, nowMs: number): OpenedStore {
  try {
    return { store: openDatabase(path) };
  } catch (error) {
    if (faultOf(error) !== "corrupt") throw error;
    return setAside(path, messageOf(error), nowMs);
  }
}

/** The error to show for what the medium refuses: names the path and the remedy. */
export function unwritable(path: string, error: unknown): BusbarError {
  if (error instanceof BusbarError) return error;
  const cause = messageOf(error).replace(/^\w+: /, "");
  return new BusbarError("STORE_UNWRITABLE", `outbox ${path}: ${cause}`, {
    remedy: remedyFor(error, path),
    cause: error,
  });
}

/** Renames what lies at `path` and opens a new file there. */
function setAside(path: string, reason: string, nowMs: number): OpenedStore {
  const aside = `${path}.corrupt-${nowMs}`;
  moveIfThere(path, aside);
  moveIfThere(`${path}-wal`, `${aside}-wal`);
  rmSync(`${path}-shm`, { force: true });
  rmSync(`${path}-journal`, { force: true, recursive: true });
  forgetOldest(path);
  return { store: openDatabase(path), quarantined: { path: aside, reason } };
}

function openDatabase(path: string): Store {
  const db = openSqlite(path);
  try {
    return new Store(db);
  } catch (error) {
    db.close();
    throw error;
  }
}

/** What SQLite would not call corrupt but cannot be opened either. */
function strangerAt(path: string): string | undefined {
  for (const file of [path, `${path}-wal`]) {
    const found = lstatSync(file, { throwIfNoEntry: false });
    if (found?.isDirectory()) return `${basename(file)} is a directory`;
    if (found !== undefined && !found.isFile() && !found.isSymbolicLink()) return `${basename(file)} is no file`;
  }
  return undefined;
}

function moveIfThere(from: string, to: string): void {
  if (lstatSync(from, { throwIfNoEntry: false }) !== undefined) renameSync(from, to);
}

/** Files set aside again and again would fill the volume in the end; their loss was told when it happened. */
function forgetOldest(path: string): void {
  const prefix = `${basename(path)}.corrupt-`;
  const ages = readdirSync(dirname(path))
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .sort((a, b) => Number(b.slice(prefix.length)) - Number(a.slice(prefix.length)));
  for (const name of ages.slice(KEPT)) {
    for (const file of [name, `${name}-wal`]) rmSync(join(dirname(path), file), { force: true, recursive: true });
  }
}

function remedyFor(error: unknown, path: string): string {
  const code = systemCode(error) ?? "";
  if (/BUSY|LOCKED/.test(code)) return "another process has it open: stop the other gateway, or change store.path";
  if (/FULL|ENOSPC|EDQUOT/.test(code)) return `free space on the volume of ${dirname(path)}`;
  if (/IOERR|EIO/.test(code)) return "the medium fails: check the kernel log and replace it";
  if (/EROFS/.test(code)) return `${dirname(path)} is on a read-only file system: check the medium and remount it`;
  return `make ${dirname(path)} writable for this user, or change store.path`;
}
