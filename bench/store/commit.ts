/** One durable commit per second of load: the outbox beside better-sqlite3 that writes the same rows. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import BetterSqlite3 from "better-sqlite3";
import { type BootState, bootFileOf, readBootFile, writeBootFile } from "../../store-forward/boot.ts";
import type { HandedOver } from "../../store-forward/outbox/pending.ts";
import { DDL, type PackedRow, type SealRow } from "../../store-forward/outbox/schema.ts";
import { handOffs, SAMPLES_PER_SECOND } from "./load.ts";
import { LoadClock, openOutbox } from "./outbox.ts";
import { between, NOTHING, ownUsage, plus, type Usage } from "./usage.ts";

export const OUTBOX = "outbox";
export const OUTBOX_ACKED = "outbox, records acknowledged";
export const RAW = "raw better-sqlite3";
export const RAW_SAME = "raw better-sqlite3, the outbox's pragmas";

/** The file exists, the ballast is taken, and what a gateway does for months is compiled: SQL, and most of the JavaScript. */
const WARM_UP = 400;

/** Commits of one variant in a row: two publish intervals. */
const SLICE = 20;

export interface CommitPlan {
  readonly dir: string;
  readonly slices: number;
}

/** All slices of one variant: time and CPU of the commits; device bytes with the closing checkpoint. */
export interface Committed extends Usage {
  readonly variant: string;
  readonly commits: number;
  readonly samples: number;
  readonly commitsPerSlice: number;
  readonly sliceMs: readonly number[];
}

interface Writer {
  commit(index: number): void;
  close(): void;
}

interface Load {
  readonly startMs: number;
  readonly offs: readonly HandedOver[];
  /** What the outbox writes at each. */
  readonly rows: readonly Written[];
}

type Cells = (string | number | Uint8Array)[];

interface Written {
  readonly packed: Cells;
  /** At every tenth: the seal, and how far numbers are given out. */
  readonly sealed: { readonly seal: Cells; readonly mark: Cells } | undefined;
  /** At every 45th: the file beside the outbox, with an fsync of its own. */
  readonly bootFile: BootState | undefined;
}

const VARIANTS: readonly (readonly [string, (path: string, load: Load) => Writer])[] = [
  [RAW, (path, load) => rawWriter(path, load, [])],
  [RAW_SAME, (path, load) => rawWriter(path, load, ["locking_mode = EXCLUSIVE", "page_size = 1024"])],
  [OUTBOX, (path, load) => outboxWriter(path, load, false)],
  [OUTBOX_ACKED, (path, load) => outboxWriter(path, load, true)],
];

/** All variants side by side, a slice of each in turn: a disk and a machine that are slow for a while are so for all. */
export function measureCommit({ dir, slices }: CommitPlan): Committed[] {
  const commits = slices * SLICE;
  const startMs = Date.now() - 1000 * (commits + WARM_UP);
  const offs = handOffs(commits + WARM_UP, startMs);
  const load = { startMs, offs, rows: writtenBy(dir, { startMs, offs, rows: [] }) };
  const writers = VARIANTS.map(
    ([variant, open]) => new Measured(variant, open(mkdtempSync(join(dir, "commit-")), load)),
  );
  for (const writer of writers) writer.warmUp();
  for (let slice = 0; slice < slices; slice++) {
    // Whoever comes first in a round finds another machine than whoever comes last: they take turns.
    for (let i = 0; i < writers.length; i++) writers[(i + slice) % writers.length]?.slice();
  }
  return writers.map((writer) => writer.close());
}

class Measured {
  readonly #variant: string;
  readonly #writer: Writer;
  #next = 0;
  #used: Usage = NOTHING;
  readonly #sliceMs: number[] = [];

  constructor(variant: string, writer: Writer) {
    this.#variant = variant;
    this.#writer = writer;
  }

  warmUp(): void {
    while (this.#next < WARM_UP) this.#writer.commit(this.#next++);
  }

  slice(): void {
    const from = ownUsage();
    for (let i = 0; i < SLICE; i++) this.#writer.commit(this.#next++);
    const used = between(from, ownUsage());
    this.#used = plus(this.#used, used);
    this.#sliceMs.push(used.wallMs);
  }

  /** What still stands in the log has yet to go to its place: everybody's device bytes have it. */
  close(): Committed {
    const from = ownUsage();
    this.#writer.close();
    const { deviceBytes } = between(from, ownUsage());
    const commits = this.#next - WARM_UP;
    const used = plus(this.#used, { ...NOTHING, deviceBytes });
    const size = { commits, samples: commits * SAMPLES_PER_SECOND, commitsPerSlice: SLICE };
    return { variant: this.#variant, ...size, sliceMs: this.#sliceMs, ...used };
  }
}

/** The rows of an outbox that took all of it, by commit. */
function writtenBy(dir: string, load: Load): Written[] {
  const own = mkdtempSync(join(dir, "commit-"));
  const writer = outboxWriter(own, load, false);
  const bootPath = bootFileOf(join(own, "outbox.db"));
  let bootFile = readBootFile(bootPath);
  const bootFiles = load.offs.map((_, index) => {
    writer.commit(index);
    const before = bootFile;
    bootFile = readBootFile(bootPath);
    return isDeepStrictEqual(before, bootFile) ? undefined : bootFile;
  });
  writer.close();
  const db = new BetterSqlite3(join(own, "outbox.db"));
  const packed = db.prepare<[], PackedRow>("SELECT * FROM packed ORDER BY id").all();
  const seals = db.prepare<[], SealRow>("SELECT * FROM seal").all();
  db.close();
  rmSync(own, { recursive: true });
  if (packed.length !== load.offs.length) throw new Error("the outbox did not write one row per commit");
  const sealOf = new Map(seals.map((seal) => [seal.row_to, seal]));
  return packed.map((row, index) => {
    return { packed: Object.values(row), sealed: sealedBy(sealOf.get(row.id)), bootFile: bootFiles[index] };
  });
}

function sealedBy(seal: SealRow | undefined): Written["sealed"] {
  if (seal === undefined) return undefined;
  return { seal: Object.values(seal), mark: [seal.epoch, seal.stream, seal.seq_to + 1, 0] };
}

function rawWriter(dir: string, { rows }: Load, pragmas: readonly string[]): Writer {
  const path = join(dir, "raw.db");
  const db = new BetterSqlite3(path);
  const log = pragmas.length === 0 ? [] : ["wal_autocheckpoint = 2000"];
  for (const pragma of [...pragmas, "journal_mode = WAL", "synchronous = FULL", ...log])
    db.pragma(pragma, { simple: true });
  if (db.pragma("synchronous", { simple: true }) !== 2) throw new Error("raw better-sqlite3 does not run at FULL");
  db.exec(DDL);
  const prepare = (sql: string) => db.prepare<Cells, never>(sql);
  const [begin, commit] = [prepare("BEGIN"), prepare("COMMIT")];
  const addPacked = prepare("INSERT INTO packed VALUES(?,?,?,?,?,?,?,?,?,?)");
  const addSeal = prepare("INSERT INTO seal VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
  const setMark = prepare("INSERT OR REPLACE INTO mark VALUES(?,?,?,?)");
  return {
    commit: (index) => {
      const { packed, sealed, bootFile } = rows[index] as Written;
      if (sealed === undefined) addPacked.run(...packed);
      else {
        begin.run();
        addPacked.run(...packed);
        addSeal.run(...sealed.seal);
        setMark.run(...sealed.mark);
        commit.run();
      }
      if (bootFile !== undefined) writeBootFile(bootFileOf(path), bootFile);
    },
    close: () => db.close(),
  };
}

function outboxWriter(dir: string, { startMs, offs }: Load, acknowledged: boolean): Writer {
  const clock = new LoadClock(startMs);
  const outbox = openOutbox(join(dir, "outbox.db"), clock);
  if (acknowledged) {
    outbox.onSealed = () => {
      for (const record of outbox.read("t", undefined, 1000)) outbox.ack("t", record);
    };
  }
  return {
    commit: (index) => {
      outbox.take(offs[index] as HandedOver);
      if (!outbox.commit()) throw new Error(`the outbox does not commit: ${outbox.status().error}`);
      clock.pass(1000);
    },
    close: () => outbox.close(),
  };
}
