/** The records of one asset, the last one still growing. */
import type { Batch } from "../../core/sample.ts";
import type { Cells } from "./cells.ts";
import { GroupText, rowBytes } from "./group-text.ts";
import { Shelf } from "./shelf.ts";
import { halves, type Part } from "./splitter.ts";

/** Most bytes of one record's plain JSON. */
export const MAX_RECORD_BYTES = 32 * 1024;
/** Header and tail with the longest ids are below this. */
const FRAME_BYTES = 512;

/** One record. */
export class Draft {
  readonly groups = new Shelf(() => new GroupText());
  /** The last group of each key, once there are several groups. */
  readonly #byKey = new Map<string, GroupText>();
  samples = 0;
  /** Upper bound of the record's length. */
  maxBytes = FRAME_BYTES;

  /** Milliseconds since 1970 of the earliest sample. */
  get t0(): number {
    let t0 = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.groups.taken; i++) t0 = Math.min(t0, this.groups.at(i).firstMs);
    return t0;
  }

  /** The group that a part of that time may join. */
  groupOf({ key }: Part, tMs: number): GroupText | undefined {
    if (key === "" || this.groups.taken === 0) return undefined;
    const first = this.groups.at(0);
    const group = this.groups.taken > 1 ? this.#byKey.get(key) : first.key === key ? first : undefined;
    return group !== undefined && group.lastMs <= tMs ? group : undefined;
  }

  open({ key, names }: Part): GroupText {
    const group = this.groups.take();
    group.begin(key, names);
    if (this.groups.taken === 2) {
      const first = this.groups.at(0);
      this.#byKey.set(first.key, first);
    }
    if (this.groups.taken > 1) this.#byKey.set(key, group);
    return group;
  }

  clear(): void {
    if (this.groups.taken > 1) this.#byKey.clear();
    this.groups.clear();
    this.samples = 0;
    this.maxBytes = FRAME_BYTES;
  }
}

/** A part's values of one batch: its time, and where its cells begin. */
interface Row {
  readonly tMs: number;
  readonly cell: number;
}

export class AssetDraft {
  readonly asset: string;
  readonly drafts = new Shelf(() => new Draft());
  readonly #cells: Cells;
  #draft: Draft | undefined;

  constructor(asset: string, cells: Cells) {
    this.asset = asset;
    this.#cells = cells;
  }

  /** Nothing was added since `clear`. */
  get empty(): boolean {
    return this.#draft === undefined;
  }

  clear(): void {
    this.drafts.clear();
    this.#draft = undefined;
  }

  add(batch: Batch, part: Part): void {
    const cell = this.#cells.next;
    const { values, quality } = batch;
    const { indices } = part;
    for (let i = 0; i < indices.length; i++) this.#cells.add(values, quality, indices[i] as number);
    this.#place(part, { tMs: Math.floor(batch.tUs / 1000), cell });
  }

  #place(part: Part, row: Row): void {
    const draft = this.#draft ?? this.#next();
    const { tMs, cell } = row;
    const group = draft.groupOf(part, tMs);
    const bytes = this.#cost(part, row, group);
    const count = part.indices.length;
    if (draft.maxBytes + bytes > MAX_RECORD_BYTES && draft.samples > 0) {
      this.#next();
      this.#place(part, row);
    } else if (draft.maxBytes + bytes > MAX_RECORD_BYTES && count > 1) {
      const [first, second] = halves(part);
      this.#place(first, row);
      this.#place(second, { ...row, cell: cell + first.indices.length });
    } else {
      // A record whose single value is above the limit is as long as it is.
      draft.maxBytes += bytes;
      draft.samples += count;
      (group ?? draft.open(part)).add(tMs, cell);
    }
  }

  #next(): Draft {
    this.#draft = this.drafts.take();
    this.#draft.clear();
    return this.#draft;
  }

  #cost({ indices, names }: Part, { tMs, cell }: Row, group: GroupText | undefined): number {
    const valueBytes = this.#cells.bytesOf(cell, indices.length);
    if (group === undefined) return names.openingBytes + rowBytes(valueBytes, indices.length, tMs);
    return rowBytes(valueBytes, indices.length, tMs - group.lastMs);
  }
}
