import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type LogEntry, Logger } from "../../../core/log.ts";
import { PackedBatches } from "../../../core/pack-reader.ts";
import { PackWriter } from "../../../core/pack-writer.ts";
import { type BusbarRecord, parseRecord, type Stream } from "../../../core/record.ts";
import type { Batch, Quality, Value } from "../../../core/sample.ts";
import { birthIdOf } from "../../../core/signals.ts";
import { Acks } from "../../../store-forward/outbox/acks.ts";
import type { OutboxOptions } from "../../../store-forward/outbox/options.ts";
import { Outbox } from "../../../store-forward/outbox/outbox.ts";
import { Reader, sumsOf } from "../../../store-forward/outbox/reader.ts";
import { encodeRow } from "../../../store-forward/outbox/rows.ts";
import { ENCODER } from "../../../store-forward/outbox/seal.ts";
import { openSqlite } from "../../../store-forward/outbox/sqlite.ts";
import { Store } from "../../../store-forward/outbox/store.ts";
import type { SealedRecord } from "../../../store-forward/queue.ts";
import { contract } from "../../support/contracts.ts";

/** Of contracts/birth.json; numbers 1 and 2 are meter-1's power and energy, 3 and 4 wallbox-1's status and current. */
export const BIRTH = contract("birth.json").subarray(0, contract("birth.json").lastIndexOf("}") + 1);
export const GATEWAY = "depot-berlin-01";
/** 2026-11-21 */
export const T0 = 1_795_226_000_000;
export const MIB = 1024 * 1024;

export class FakeClock {
  mono = 1000;
  wall = T0;
  monoMs(): number {
    return this.mono;
  }
  wallMs(): number {
    return this.wall;
  }
  pass(ms: number): void {
    this.mono += ms;
    this.wall += ms;
  }
}

export interface Bench {
  readonly dir: string;
  readonly path: string;
  readonly clock: FakeClock;
  readonly logs: LogEntry[];
  /** A new process on the same files, as far as the outbox can tell. The one before is not closed in order. */
  open(overrides?: Partial<OutboxOptions>): Outbox;
  files(): string[];
}

export function bench(t: TestContext): Bench {
  const dir = mkdtempSync(join(tmpdir(), "busbar-outbox-"));
  const path = join(dir, "outbox.db");
  const clock = new FakeClock();
  const logs: LogEntry[] = [];
  let last: Outbox | undefined;
  t.after(() => {
    last?.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const open = (overrides: Partial<OutboxOptions> = {}): Outbox => {
    last?.close();
    last = new Outbox({ ...defaults(path, clock, logs), ...overrides });
    last.open();
    return last;
  };
  return { dir, path, clock, logs, open, files: () => readdirSync(dir).sort() };
}

export function defaults(path: string, clock: OutboxOptions["clock"], logs: LogEntry[]): OutboxOptions {
  return {
    path,
    gateway: GATEWAY,
    birth: BIRTH,
    birthId: birthIdOf(BIRTH),
    budget: { maxBytes: 64 * MIB, minFreeBytes: 0 },
    publishIntervalMs: 10_000,
    synced: true,
    clock,
    log: new Logger("outbox", (entry) => logs.push(entry)),
    hardware: "board-1",
  };
}

/** A batch; samples as [number, value, quality]. */
export function batch(tMs: number, ...samples: [number, Value, Quality?][]): Batch {
  return {
    tUs: tMs * 1000,
    numbers: samples.map(([n]) => n),
    values: samples.map(([, value]) => value),
    quality: samples.map(([, , quality = 0]) => quality),
  };
}

export function packed(...batches: Batch[]) {
  // A small batch needs little; a new buffer of megabytes for each would be what the tests spend their time on.
  const writer = new PackWriter(batches.length > 4 ? MIB : 16 * 1024);
  for (const one of batches) if (!writer.add(one)) throw new Error("does not fit");
  const { samples } = writer;
  return { bytes: writer.take(), samples };
}

/** Hands over and does not commit; the watermark is the last batch's time. */
export function give(outbox: Outbox, ...batches: Batch[]): void {
  const watermark = Math.floor((batches.at(-1)?.tUs ?? 0) / 1000);
  outbox.take({ ...packed(...batches), watermark, synced: true });
}

export function all(outbox: Outbox, stream: Stream, limit = 7): SealedRecord[] {
  const found: SealedRecord[] = [];
  for (;;) {
    const more = outbox.read(stream, found.at(-1), limit);
    found.push(...more);
    if (more.length < limit) return found;
  }
}

export function parsed(outbox: Outbox, stream: Stream): BusbarRecord[] {
  return all(outbox, stream).map(({ plain }) => parseRecord(plain));
}

/** Every good sample in data records as `asset signal time value`. */
export function samplesIn(records: readonly BusbarRecord[]): string[] {
  const found: string[] = [];
  for (const { asset, t0, g = [] } of records) {
    for (const { t, s } of g) {
      let ms = t0;
      for (const [index, delta] of t.entries()) {
        ms += delta;
        for (const [name, values] of Object.entries(s)) found.push(`${asset} ${name} ${ms} ${values[index]}`);
      }
    }
  }
  return found;
}

/**
 * Puts sealed records of stream b into a closed outbox file, as a source of raw frames would leave them behind: no source
 * is one yet. Each list of batches is a seal.
 */
export function storeBulk(path: string, ...seals: Batch[][]): void {
  const store = new Store(openSqlite(path));
  const epochs = new Map(store.epochs().map((epoch) => [epoch.n, epoch]));
  const epoch = Math.max(...epochs.keys());
  const reader = new Reader({ store, acks: new Acks(), gateway: GATEWAY, epochs, onCorrupt: () => undefined });
  store.transaction(() => {
    for (const batches of seals) {
      const { bytes: raw, samples } = packed(...batches);
      const times = batches.map(({ tUs }) => tUs / 1000);
      const span = { t_min: Math.min(...times), t_max: Math.max(...times) };
      const about = { stream: "b", boot: store.newestBoot(), sync: 1, ...span } as const;
      const row = store.addPacked(encodeRow({ ...about, samples }, raw));
      const seq_from = store.mark(epoch, "b").next;
      const rows = { row_from: row, row_to: row };
      const draft = { ...about, ...rows, epoch, seq_from, sealed_ms: span.t_max, encoder: ENCODER };
      const { records } = reader.build(draft, new PackedBatches([raw]));
      store.addSeal({ ...draft, seq_to: seq_from + records.length - 1, sums: sumsOf(records) });
      store.setMark({ epoch, stream: "b", next: seq_from + records.length, acked: 0 });
    }
  });
  store.close();
}

/** All of its telemetry is acknowledged; then `<path>.backup`, an older copy, takes its place. */
export function restored({ open, path }: Pick<Bench, "open" | "path">, outbox: Outbox): Outbox {
  for (const record of all(outbox, "t")) outbox.ack("t", record);
  outbox.commit({ final: true });
  outbox.close();
  cpSync(`${path}.backup`, path);
  return open();
}
