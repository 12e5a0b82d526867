/**
 * Tables of the outbox file, and the rows as they are read.
 *
 * `packed`: the samples of one commit and stream, all assets, core/pack-format.ts under zstd and a CRC.
 * `seal`: "records 120 to 219 of stream t are what encoder 1 makes of packed rows 40 to 49", with each record's CRC:
 * telemetry is written once, its records are rebuilt when they are read and leave only when they match. `record`:
 * critical records as they are. `mark`: per epoch and stream the next number and what is acknowledged. `gap`: losses
 * that may still grow. `run`, `birth`: which birth payload tells the signals of a boot's rows.
 */
import type { Gap, RecordKind, Stream } from "../../core/record.ts";

/** `BBox`, in the file's header: another program's database is not taken for an outbox. */
export const APPLICATION_ID = 0x42426f78;
export const SCHEMA_VERSION = 2;

export const DDL = `
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE birth(id TEXT PRIMARY KEY, payload BLOB NOT NULL);
CREATE TABLE run(boot INTEGER PRIMARY KEY, birth TEXT NOT NULL);
CREATE TABLE epoch(n INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE mark(
  epoch INTEGER NOT NULL, stream TEXT NOT NULL, next INTEGER NOT NULL, acked INTEGER NOT NULL,
  PRIMARY KEY(epoch, stream)) WITHOUT ROWID;
CREATE TABLE packed(
  id INTEGER PRIMARY KEY, stream TEXT NOT NULL, boot INTEGER NOT NULL, sync INTEGER NOT NULL,
  t_min INTEGER NOT NULL, t_max INTEGER NOT NULL, samples INTEGER NOT NULL,
  coding INTEGER NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE seal(
  stream TEXT NOT NULL, epoch INTEGER NOT NULL, seq_from INTEGER NOT NULL, seq_to INTEGER NOT NULL,
  row_from INTEGER NOT NULL, row_to INTEGER NOT NULL, boot INTEGER NOT NULL, sync INTEGER NOT NULL,
  sealed_ms INTEGER NOT NULL, t_min INTEGER NOT NULL, t_max INTEGER NOT NULL, encoder INTEGER NOT NULL,
  sums BLOB NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY(stream, epoch, seq_from)) WITHOUT ROWID;
CREATE TABLE record(
  epoch INTEGER NOT NULL, seq INTEGER NOT NULL, boot INTEGER NOT NULL, kind TEXT NOT NULL, asset TEXT,
  sealed_ms INTEGER NOT NULL, plain BLOB NOT NULL, PRIMARY KEY(epoch, seq)) WITHOUT ROWID;
CREATE TABLE gap(
  id INTEGER PRIMARY KEY, stream TEXT NOT NULL, epoch TEXT NOT NULL, seq_from INTEGER, seq_to INTEGER,
  samples INTEGER, reason TEXT NOT NULL, t0 INTEGER NOT NULL, t1 INTEGER NOT NULL, since_ms INTEGER NOT NULL);
CREATE TABLE dead(
  id INTEGER PRIMARY KEY, epoch TEXT NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL, reason TEXT NOT NULL,
  dead_ms INTEGER NOT NULL, plain BLOB NOT NULL);
`;

/** Samples of one commit and stream; `sync` and everything else is the same for all of them. Times in milliseconds. */
export interface PackedRow {
  readonly id: number;
  readonly stream: Stream;
  readonly boot: number;
  readonly sync: number;
  readonly t_min: number;
  readonly t_max: number;
  readonly samples: number;
  readonly coding: number;
  readonly crc: number;
  readonly data: Uint8Array;
}

/** Records seq_from to seq_to of a stream are what encoder `encoder` makes of the packed rows row_from to row_to. */
export interface SealRow {
  readonly stream: Stream;
  /** epoch.n */
  readonly epoch: number;
  readonly seq_from: number;
  readonly seq_to: number;
  readonly row_from: number;
  readonly row_to: number;
  readonly boot: number;
  readonly sync: number;
  readonly sealed_ms: number;
  readonly t_min: number;
  readonly t_max: number;
  readonly encoder: number;
  /** Per record u32 CRC-32 of its bytes and u32 samples, little-endian. */
  readonly sums: Uint8Array;
  /** CRC-32 of all the rest: a seal that rotted must not give its numbers to other samples. */
  readonly crc: number;
}

export interface RecordRow {
  readonly epoch: number;
  readonly seq: number;
  readonly boot: number;
  readonly kind: RecordKind;
  readonly asset: string | null;
  readonly sealed_ms: number;
  readonly plain: Uint8Array;
}

/** A gap that may still grow; `epoch` is the name. */
export interface GapRow {
  readonly id: number;
  readonly stream: Stream;
  readonly epoch: string;
  readonly seq_from: number | null;
  readonly seq_to: number | null;
  readonly samples: number | null;
  readonly reason: Gap["reason"];
  readonly t0: number;
  readonly t1: number;
  readonly since_ms: number;
}

export interface MarkRow {
  readonly epoch: number;
  readonly stream: Stream;
  readonly next: number;
  readonly acked: number;
}

export interface EpochRow {
  readonly n: number;
  readonly name: string;
}
