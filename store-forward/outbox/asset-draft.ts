/** The records of one asset, the last one still growing. */
import type { Batch } from "../../core/sample.ts";
import type { Cells } from "./cells.ts";
import { GroupText, rowBytes } from "./group-text.ts";
import { halves, type Part } from "./splitter.ts";

/** Most bytes of one record's plain JSON. */
export const MAX_RECORD_BYTES = 32 * 1024;
/** Header and tail with the longest ids are below this. */
const FRAME_BYTES = 512;

export interface Draft {
  readonly t0: number;
  readonly groups: readonly GroupText[];
  readonly samples: number;
  /** Upper bound of the record's length. */
  readonly maxBytes: number;
}

/** A part's values of one batch: its time, and where its cells begin. */
interface Row {
  readonly tMs: number;
  readonly cell: number;
}

export class AssetDraft {
  readonly #cells: Cells;
  readonly #finished: Draft[] = [];
  #groups: GroupText[] = [];
  #byKey = new Map<string, GroupText>();
  #bytes = FRAME_BYTES;
  #samples = 0;

  constructor(cells: Cells) {
    this.#cells = cells;
  }

  add(batch: Batch, part: Part): void {
    const row = { tMs: Math.floor(batch.tUs / 1000), cell: this.#cells.next };
    for (const index of part.indices) this.#cells.add(batch.values[index] ?? null, batch.quality[index]);
    this.#place(part, row);
  }

  finish(): readonly Draft[] {
    if (this.#samples > 0) this.#close();
    return this.#finished;
  }

  #place(part: Part, row: Row): void {
    const group = this.#open(part, row.tMs);
    const bytes = this.#cost(part, row, group);
    const count = part.indices.length;
    if (this.#bytes + bytes > MAX_RECORD_BYTES && this.#samples > 0) {
      this.#close();
      this.#place(part, row);
    } else if (this.#bytes + bytes > MAX_RECORD_BYTES && count > 1) {
      const [first, second] = halves(part);
      this.#place(first, row);
      this.#place(second, { ...row, cell: row.cell + first.indices.length });
    } else {
      this.#bytes += bytes;
      this.#samples += count;
      (group ?? this.#newGroup(part)).add(row.tMs, row.cell);
    }
  }

  #open(part: Part, tMs: number): GroupText | undefined {
    const group = part.key === "" ? undefined : this.#byKey.get(part.key);
    return group !== undefined && group.lastMs <= tMs ? group : undefined;
  }

  #cost({ indices, names }: Part, { tMs, cell }: Row, group: GroupText | undefined): number {
    const valueBytes = this.#cells.bytesOf(cell, indices.length);
    if (group === undefined) return names.openingBytes + rowBytes(valueBytes, indices.length, tMs);
    return rowBytes(valueBytes, indices.length, tMs - group.lastMs);
  }

  #newGroup(part: Part): GroupText {
    const group = new GroupText(part.names);
    this.#groups.push(group);
    if (part.key !== "") this.#byKey.set(part.key, group);
    return group;
  }

  #close(): void {
    const t0 = this.#groups.reduce((least, { firstMs }) => Math.min(least, firstMs), Number.POSITIVE_INFINITY);
    // A record whose single value is above the limit is as long as it is.
    this.#finished.push({ t0, groups: this.#groups, samples: this.#samples, maxBytes: this.#bytes });
    this.#groups = [];
    this.#byKey = new Map();
    this.#bytes = FRAME_BYTES;
    this.#samples = 0;
  }
}
