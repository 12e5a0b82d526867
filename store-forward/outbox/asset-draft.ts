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
  /** The one that was opened last. */
  #newest: GroupText | undefined;
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
    if (key === "") return undefined;
    const group = this.#newest?.key === key ? this.#newest : this.#byKey.get(key);
    return group !== undefined && group.lastMs <= tMs ? group : undefined;
  }

  open({ key, names }: Part): GroupText {
    const group = this.groups.take();
    group.begin(key, names);
    if (this.#newest !== undefined) this.#byKey.set(this.#newest.key, this.#newest);
    this.#newest = group;
    return group;
  }

  clear(): void {
    if (this.groups.taken > 1) this.#byKey.clear();
    this.groups.clear();
    this.#newest = undefined;
    this.samples = 0;
    this.maxBytes = FRAME_BYTES;
  }
}

export class AssetDraft {
  readonly asset: string;
  /** Which of the birth's assets. */
  readonly place: number;
  readonly drafts = new Shelf(() => new Draft());
  readonly #cells: Cells;
  #draft: Draft | undefined;

  constructor(asset: string, place: number, cells: Cells) {
    this.asset = asset;
    this.place = place;
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
    this.#cells.add(batch, part.indices);
    this.#place(part, Math.floor(batch.tUs / 1000), cell);
  }

  /** All good: the part's are the first of `values`. */
  addGood(tUs: number, values: Float64Array, part: Part): void {
    const cell = this.#cells.next;
    this.#cells.addGood(values, part.indices.length);
    this.#place(part, Math.floor(tUs / 1000), cell);
  }

  /** A part's values of one batch: their time, and where their cells begin. */
  #place(part: Part, tMs: number, cell: number): void {
    const draft = this.#draft ?? this.#next();
    const count = part.indices.length;
    const valueBytes = this.#cells.bytesOf(cell, count);
    const group = draft.groupOf(part, tMs);
    const bytes =
      group === undefined
        ? part.names.openingBytes + rowBytes(valueBytes, count, tMs)
        : rowBytes(valueBytes, count, tMs - group.lastMs);
    if (draft.maxBytes + bytes <= MAX_RECORD_BYTES || (draft.samples === 0 && count === 1)) {
      // A record whose single value is above the limit is as long as it is.
      draft.maxBytes += bytes;
      draft.samples += count;
      (group ?? draft.open(part)).add(tMs, cell);
    } else if (draft.samples > 0) {
      this.#next();
      this.#place(part, tMs, cell);
    } else {
      const [first, second] = halves(part);
      this.#place(first, tMs, cell);
      this.#place(second, tMs, cell + first.indices.length);
    }
  }

  #next(): Draft {
    this.#draft = this.drafts.take();
    this.#draft.clear();
    return this.#draft;
  }
}
