/**
 * Packed batches of all assets become records, one asset each. Deterministic: stored seals are rebuilt by it, so whoever
 * changes one byte of its output (here, in splitter.ts, asset-draft.ts, group-text.ts, cells.ts or number-text.ts) raises
 * ENCODER and keeps the old way for seals that name the old number.
 *
 * Times are whole milliseconds (rounded down); `t0` is the earliest in the record. Batches with the same list of
 * signals share a group while their times do not run backwards; stale samples keep their older time and stand in a
 * group of their own. Records follow by asset in order of first appearance, those of one asset in order of their data.
 */
import { crc32 } from "node:zlib";
import type { Stream } from "../../core/record.ts";
import { crcOfWhole, headFromBoot, headToSeq, writeCrc } from "../../core/record.ts";
import type { Batch } from "../../core/sample.ts";
import { AssetDraft, type Draft } from "./asset-draft.ts";
import { Cells } from "./cells.ts";
import { writeNumber } from "./number-text.ts";
import { Splitter } from "./splitter.ts";

export const ENCODER = 1;
const COMMA = 0x2c;
const CLOSING_BRACKET = 0x5d;
const BODY = Buffer.from(',"g":[');

/** What is the same for all records of one birth. */
export interface Origin {
  readonly gateway: string;
  readonly birthId: string;
  /** signals[n - 1] is signal number n of that birth. */
  readonly signals: readonly { readonly asset: string; readonly name: string }[];
}

/** What is the same for all records of one seal. */
export interface SealHead {
  readonly epoch: string;
  readonly stream: Stream;
  readonly boot: number;
  readonly sync: boolean;
  readonly firstSeq: number;
}

export interface SealedBytes {
  readonly asset: string;
  readonly plain: Buffer;
  /** CRC-32 of it. */
  readonly crc: number;
  readonly samples: number;
}

export interface SealResult {
  readonly records: readonly SealedBytes[];
  /** Samples of signals that the birth does not name: they cannot be told to anybody. */
  readonly unknown: number;
}

/** Memory for records: a buffer of at least so many bytes. */
export type Room = (bytes: number) => Buffer;

/** Seals what was taken under one birth; what it has learnt of the batches and its objects serve the next seal, too. */
export class Sealer {
  readonly #origin: Origin;
  readonly #splitter: Splitter;
  readonly #cells = new Cells();
  readonly #assets = new Map<string, AssetDraft>();
  readonly #heads = new Map<string, Buffer>();
  /** Epoch and stream that the heads are of. */
  #headsOf = "";

  constructor(origin: Origin) {
    this.#origin = origin;
    this.#splitter = new Splitter(origin.signals);
  }

  /** The records' bytes lie in what `room` gives. */
  seal(batches: Iterable<Batch>, head: SealHead, room: Room = Buffer.allocUnsafeSlow): SealResult {
    this.#cells.clear();
    const growing: AssetDraft[] = [];
    let unknown = 0;
    try {
      for (const batch of batches) {
        const plan = this.#splitter.divide(batch);
        unknown += plan.unknown;
        for (const part of plan.parts) {
          const draft = this.#assetOf(part.asset);
          if (draft.empty) growing.push(draft);
          draft.add(batch, part);
        }
      }
      return { records: this.#written(growing, head, room), unknown };
    } finally {
      for (const draft of growing) draft.clear();
    }
  }

  #assetOf(asset: string): AssetDraft {
    let draft = this.#assets.get(asset);
    if (draft === undefined) {
      draft = new AssetDraft(asset, this.#cells);
      this.#assets.set(asset, draft);
    }
    return draft;
  }

  /** All in one buffer: thousands of small ones cost more than what is written into them. */
  #written(growing: readonly AssetDraft[], head: SealHead, room: Room): SealedBytes[] {
    let bytes = 0;
    for (const { drafts } of growing) for (let i = 0; i < drafts.taken; i++) bytes += drafts.at(i).maxBytes;
    const out = room(bytes);
    const fromBoot = Buffer.from(headFromBoot({ ...head, birth: this.#origin.birthId }));
    const records: SealedBytes[] = [];
    let at = 0;
    for (const { asset, drafts } of growing) {
      for (let i = 0; i < drafts.taken; i++) {
        const from = at;
        const draft = drafts.at(i);
        at = copy(this.#headOf(asset, head), out, at);
        at = copy(fromBoot, out, writeNumber(out, at, head.firstSeq + records.length));
        at = this.#writeBody(draft, out, writeNumber(out, at, draft.t0));
        const crc = crc32(out.subarray(from, at));
        at = writeCrc(out, at, crc);
        records.push({ asset, plain: out.subarray(from, at), crc: crcOfWhole(crc), samples: draft.samples });
      }
    }
    return records;
  }

  #writeBody({ groups, t0 }: Draft, out: Buffer, start: number): number {
    let at = copy(BODY, out, start);
    for (let i = 0; i < groups.taken; i++) {
      if (i > 0) out[at++] = COMMA;
      at = groups.at(i).write(out, at, { cells: this.#cells, t0 });
    }
    out[at++] = CLOSING_BRACKET;
    return at;
  }

  #headOf(asset: string, { epoch, stream: c }: SealHead): Buffer {
    const of = `${epoch} ${c}`;
    if (of !== this.#headsOf) this.#heads.clear();
    this.#headsOf = of;
    let head = this.#heads.get(asset);
    if (head === undefined) {
      head = Buffer.from(headToSeq({ k: "data", gw: this.#origin.gateway, asset, epoch, c }));
      this.#heads.set(asset, head);
    }
    return head;
  }
}

function copy(bytes: Buffer, out: Buffer, at: number): number {
  out.set(bytes, at);
  return at + bytes.length;
}
