/**
 * Seals in their order, some read ahead: to seek one takes dozens of page reads, because what is compared lies in
 * overflow pages; to step on to the next takes two.
 */
import type { Stream } from "../../core/record.ts";
import type { DbFile } from "./db-file.ts";
import { SEAL_COLUMNS, type SealCells, sealOf } from "./row-cells.ts";
import type { SealRow } from "./schema.ts";
import { isSound, sound } from "./seal-sum.ts";
import type { Statement } from "./sqlite.ts";

const AHEAD = 16;

interface Edge {
  readonly epoch: number;
  readonly seq: number;
}

export class SealsAhead {
  readonly #from: Statement<[Stream, number, number], SealCells>;
  readonly #after: Statement<[Stream, number, number, number], SealCells>;
  /** All sound: the first of a stream that hold something after `#begin`. */
  #rows: readonly SealRow[] = [];
  #begin: Edge = { epoch: 0, seq: 0 };

  constructor(file: Pick<DbFile, "prepare">) {
    const seal = `SELECT ${SEAL_COLUMNS} FROM seal WHERE stream = ?`;
    const from = `${seal} AND epoch = ? AND seq_from <= ? ORDER BY seq_from DESC LIMIT 1`;
    this.#from = file.prepare<[Stream, number, number], SealCells>(from).raw();
    const after = `${seal} AND (epoch, seq_from) > (?, ?) ORDER BY epoch, seq_from LIMIT ?`;
    this.#after = file.prepare<[Stream, number, number, number], SealCells>(after).raw();
  }

  /** What was read ahead may not be what is stored. */
  forget(): void {
    this.#rows = [];
  }

  dropped({ stream, epoch, seq_from }: SealRow): void {
    this.#rows = this.#rows.filter((r) => r.seq_from !== seq_from || r.epoch !== epoch || r.stream !== stream);
  }

  /** The last seal of the epoch that begins at or before that number, sound or not. */
  lastFrom(stream: Stream, epoch: number, seq: number): SealRow | undefined {
    const cells = this.#from.get(stream, epoch, seq);
    return cells === undefined ? undefined : sealOf(cells);
  }

  /** The seal that holds the first stored record after (epoch, seq). Throws RottedSeal. */
  after(stream: Stream, epoch: number, seq: number): SealRow | undefined {
    const known = this.#known(stream, { epoch, seq });
    if (known !== undefined) return known;
    const at = this.lastFrom(stream, epoch, seq);
    if (at !== undefined && at.seq_to > seq) return sound(at);
    const rows = this.#read(stream, epoch, seq);
    const rotted = rows.findIndex((row) => !isSound(row));
    this.#rows = rotted === -1 ? rows : rows.slice(0, rotted);
    this.#begin = { epoch, seq };
    return rotted === 0 ? sound(rows[0]) : rows[0];
  }

  #known(stream: Stream, at: Edge): SealRow | undefined {
    if (this.#rows[0]?.stream !== stream || isBefore(at, this.#begin)) return undefined;
    return this.#rows.find(({ epoch, seq_to }) => isBefore(at, { epoch, seq: seq_to }));
  }

  #read(stream: Stream, epoch: number, seq: number): readonly SealRow[] {
    try {
      return this.#after.all(stream, epoch, seq, AHEAD).map(sealOf);
    } catch {
      // One that comes later may be what cannot be read.
      return this.#after.all(stream, epoch, seq, 1).map(sealOf);
    }
  }
}

function isBefore(one: Edge, other: Edge): boolean {
  return one.epoch < other.epoch || (one.epoch === other.epoch && one.seq < other.seq);
}
