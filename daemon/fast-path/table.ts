/** The signal table of the fast path: what a datagram's signal numbers mean, as JSON, compressed and cut into parts. */
import { createHash } from "node:crypto";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { SignalEntry } from "../../core/signals.ts";

/** 65,535 signals with long names; a frame that would unpack to more is refused. */
const MAX_TABLE_BYTES = 16 * 1024 * 1024;
/** About 730 KiB compressed: receivers keep no more of what a stranger sends. */
const MAX_PARTS = 512;

export interface TableSignal {
  readonly asset: string;
  readonly signal: string;
  readonly unit?: string;
  /** Text by value. */
  readonly enum?: Readonly<Record<string, string>>;
}

/** `[{"n":1,"asset":…,"signal":…,"unit":…}]`, with `enum` as `{"0":"Available",…}` where there is one. */
export function tableJson(signals: readonly SignalEntry[]): string {
  return JSON.stringify(
    signals.map(({ n, asset, name, unit, enum: texts }) => {
      return { n, asset, signal: name, unit, enum: texts === undefined ? undefined : { ...texts } };
    }),
  );
}

/** First 4 bytes of SHA-256 of the table's JSON. */
export function tableHash(json: string | Uint8Array): Buffer {
  return createHash("sha256").update(json).digest().subarray(0, 4);
}

/** The compressed table in slices of at most `partBytes`. */
export function tableParts(json: string, partBytes: number): Uint8Array[] {
  const frame = zstdCompressSync(json);
  const parts: Uint8Array[] = [];
  for (let at = 0; at < frame.length; at += partBytes) parts.push(frame.subarray(at, at + partBytes));
  return parts;
}

/** Puts one gateway's table together from its parts, which may come in any order and more than once. */
export class TableReader {
  /** The newest complete table, by signal number. */
  signals: ReadonlyMap<number, TableSignal> = new Map();
  /** Its hash, 8 hex digits. */
  hash = "";
  #wanted = "";
  #parts: (Uint8Array | undefined)[] = [];
  #missing = 0;

  /** False for a part that fits nothing, or that completed bytes which are no table. */
  take(hash: string, { part, parts, slice }: { part: number; parts: number; slice: Uint8Array }): boolean {
    if (hash === this.hash) return true;
    if (parts > MAX_PARTS || part >= parts) return false;
    if (hash !== this.#wanted || parts !== this.#parts.length) this.#begin(hash, parts);
    if (this.#parts[part] === undefined) {
      this.#parts[part] = Uint8Array.from(slice);
      this.#missing--;
    }
    return this.#missing > 0 || this.#complete();
  }

  #begin(hash: string, parts: number): void {
    this.#wanted = hash;
    this.#parts = new Array<Uint8Array | undefined>(parts).fill(undefined);
    this.#missing = parts;
  }

  #complete(): boolean {
    const signals = parseTable(Buffer.concat(this.#parts.filter((part) => part !== undefined)), this.#wanted);
    if (signals !== undefined) {
      this.signals = signals;
      this.hash = this.#wanted;
    }
    this.#wanted = "";
    this.#parts = [];
    return signals !== undefined;
  }
}

/** The table in a zstd frame, or undefined when it is not one with this hash (8 hex digits). Does not throw. */
export function parseTable(frame: Uint8Array, hash: string): ReadonlyMap<number, TableSignal> | undefined {
  try {
    const json = zstdDecompressSync(frame, { maxOutputLength: MAX_TABLE_BYTES });
    if (tableHash(json).toString("hex") !== hash) return undefined;
    const rows: unknown = JSON.parse(json.toString("utf8"));
    if (!Array.isArray(rows)) return undefined;
    const signals = new Map<number, TableSignal>();
    for (const row of rows) if (isRow(row)) signals.set(row.n, row);
    return signals.size === rows.length ? signals : undefined;
  } catch {
    return undefined;
  }
}

function isRow(row: unknown): row is TableSignal & { n: number } {
  if (typeof row !== "object" || row === null) return false;
  const { n, asset, signal, unit, enum: texts } = row as Record<string, unknown>;
  return (
    Number.isInteger(n) &&
    typeof asset === "string" &&
    typeof signal === "string" &&
    (unit === undefined || typeof unit === "string") &&
    (texts === undefined || (typeof texts === "object" && texts !== null))
  );
}
