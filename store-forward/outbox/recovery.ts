/**
 * Opening: whatever lies there, an outbox comes of it, or an error that says what to do.
 *
 * Not ours, damaged or of another version: renamed beside itself (`<file>.corrupt-<milliseconds>`, its log with it; the
 * newest three are kept), and a new file with a new epoch begins. Only the header, the schema, the small tables
 * (soundness.ts) and what SQLite reads to open are checked: start-up does not wait for gigabytes. Rows carry checksums
 * that every read verifies. What the old file still holds is taken over later (salvage.ts).
 *
 * Setting aside ends with the transaction that notes it in the new file. A start that comes no farther (killed, or no
 * room for a new file) leaves one without an epoch, or none: the next start takes up what it had set aside.
 */
import {
  accessSync,
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { BusbarError, messageOf, systemCode } from "../../core/errors.ts";
import { bootFileOf, readBootFile } from "../boot.ts";
import { expectSound } from "./soundness.ts";
import { faultOf, openSqlite } from "./sqlite.ts";
import { Store } from "./store.ts";

const KEPT = 3;
/** A file in which nothing was ever begun is smaller. */
const FRESH_BYTES = 64 * 1024;
/** https://sqlite.org/fileformat2.html, 1.3 */
const HEADER_BYTES = 100;
const WRITE_VERSION_AT = 18;
const WAL_VERSION = 2;

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
    makeFolder(dirname(path));
    sendLogAfter(path);
    const reason = strangerAt(path) ?? (damage === undefined || isFresh(path) ? undefined : damage);
    return reason === undefined ? openOrSetAside(path, nowMs) : setAside(path, reason, nowMs);
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** Node's own `recursive` never comes back where nothing can be made: below /proc. */
function makeFolder(path: string): void {
  if (found(path) !== undefined) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  try {
    mkdirSync(path, { mode: 0o750 });
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
  }
}

function openOrSetAside(path: string, nowMs: number): OpenedStore {
  try {
    const store = openDatabase(path);
    const left = isBegun(store) ? undefined : leftBehind(path);
    const reason = "the start that did so came no farther";
    return left === undefined ? { store } : { store, quarantined: { path: left, reason } };
  } catch (error) {
    if (faultOf(error) !== "corrupt") throw error;
    return setAside(path, messageOf(error), nowMs);
  }
}

function isBegun(store: Store): boolean {
  return store.epochs().length > 0 || store.marks().length > 0;
}

/** Nothing was begun in it: it is not what was found to be damaged, but what was to take its place. */
function isFresh(path: string): boolean {
  const { size } = found(path) ?? { size: 0 };
  if (size > FRESH_BYTES) return false;
  try {
    const store = openDatabase(path);
    try {
      return !isBegun(store);
    } finally {
      store.close();
    }
  } catch (error) {
    if (faultOf(error) !== "corrupt") throw error;
    return false;
  }
}

/**
 * The file that was in use last, by the boot file, if it was set aside and no new one has begun since. Without a boot file
 * the newest that was: taken up once too often it costs records that the cloud has already and drops.
 */
function leftBehind(path: string): string | undefined {
  const epoch = readBootFile(bootFileOf(path))?.epoch;
  const isOurs = (names: readonly string[]): boolean =>
    epoch === undefined ? names.length > 0 : names.includes(epoch);
  return asides(path).find((aside) => isOurs(epochsIn(aside)));
}

function epochsIn(path: string): string[] {
  try {
    const store = new Store(openSqlite(path));
    try {
      return store.epochs().map(({ name }) => name);
    } finally {
      store.close();
    }
  } catch {
    // Nothing can be salvaged from it, either.
    return [];
  }
}

/** Between its two renames a start was killed: SQLite would delete a log that has no database. */
function sendLogAfter(path: string): void {
  const [aside] = asides(path);
  if (aside === undefined || found(path) !== undefined || found(`${aside}-wal`) !== undefined) return;
  moveIfThere(`${path}-wal`, `${aside}-wal`);
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
  const aside = freeName(path, nowMs);
  // The database first: without its log it would be an older one, and give out the same numbers again.
  moveIfThere(path, aside);
  moveIfThere(`${path}-wal`, `${aside}-wal`);
  rmSync(`${path}-shm`, { force: true });
  rmSync(`${path}-journal`, { force: true, recursive: true });
  forgetOldest(path);
  return { store: openDatabase(path), quarantined: { path: aside, reason } };
}

/** The clock may have been set back: what was set aside before stays, and this is the newest. */
function freeName(path: string, nowMs: number): string {
  const [newest] = asides(path);
  return `${path}.corrupt-${newest === undefined ? nowMs : Math.max(nowMs, ageOf(newest) + 1)}`;
}

function openDatabase(path: string): Store {
  const db = openSqlite(path);
  try {
    const store = new Store(db);
    expectSound(db, store);
    return store;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** What SQLite would not call corrupt but cannot be opened either. */
function strangerAt(path: string): string | undefined {
  for (const file of [path, `${path}-wal`]) {
    const there = found(file);
    if (there?.isDirectory()) return `${basename(file)} is a directory`;
    if (there !== undefined && !there.isFile() && !there.isSymbolicLink()) return `${basename(file)} is no file`;
  }
  return isForReading(path) ? "its header says that it may only be read" : undefined;
}

/** A format version for writing above SQLite's own: SQLite opens such a file and refuses each write as of a medium. */
function isForReading(path: string): boolean {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) < HEADER_BYTES) return false;
  const header = Buffer.alloc(HEADER_BYTES);
  const file = openSync(path, "r");
  try {
    readSync(file, header);
  } finally {
    closeSync(file);
  }
  return header.toString("latin1", 0, 16) === "SQLite format 3\0" && (header[WRITE_VERSION_AT] ?? 0) > WAL_VERSION;
}

function moveIfThere(from: string, to: string): void {
  if (found(from) !== undefined) renameSync(from, to);
}

function found(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

/** Files set aside again and again would fill the volume in the end; their loss was told when it happened. */
function forgetOldest(path: string): void {
  for (const aside of asides(path).slice(KEPT)) {
    for (const file of [aside, `${aside}-wal`]) rmSync(file, { force: true, recursive: true });
  }
}

/** Paths of files that were set aside, the newest first. */
function asides(path: string): string[] {
  const prefix = `${basename(path)}.corrupt-`;
  return readdirSync(dirname(path))
    .filter((name) => name.startsWith(prefix) && /^\d{1,15}$/.test(name.slice(prefix.length)))
    .map((name) => join(dirname(path), name))
    .sort((a, b) => ageOf(b) - ageOf(a));
}

function ageOf(aside: string): number {
  return Number(aside.slice(aside.lastIndexOf("-") + 1));
}

function remedyFor(error: unknown, path: string): string {
  const code = isReadOnly(dirname(path)) ? "EROFS" : (systemCode(error) ?? "");
  if (/BUSY|LOCKED/.test(code)) return "another process has it open: stop the other gateway, or change store.path";
  if (/FULL|ENOSPC|EDQUOT/.test(code)) return `free space on the volume of ${dirname(path)}`;
  if (/IOERR|EIO/.test(code)) return "the medium fails: check the kernel log and replace it";
  if (/EROFS/.test(code)) return `${dirname(path)} is on a read-only file system: check the medium and remount it`;
  return `make ${dirname(path)} writable for this user, or change store.path`;
}

/** SQLite says of such a file system that it has an I/O error. */
function isReadOnly(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return false;
  } catch (error) {
    return systemCode(error) === "EROFS";
  }
}
