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
import { PackedBatches, type PackReader } from "../../core/pack-reader.ts";
import type { Stream } from "../../core/record.ts";
import { crcOfWhole, headFromBoot, headToSeq, writeCrc } from "../../core/record.ts";
import type { Batch } from "../../core/sample.ts";
import { AssetDraft, type Draft } from "./asset-draft.ts";
import { Cells } from "./cells.ts";
import { writeNumber } from "./number-text.ts";
import { OVERHANG_BYTES, type Page, pageOf, Stamp } from "./page.ts";
import { type Part, Splitter } from "./splitter.ts";

export const ENCODER = 1;
/** Samples of a batch that may take the shorter way. */
const MAX_USUAL = 256;
/** Batches of a list of signals that take the longer way at once after one had to. */
const PAUSE = 15;
const COMMA = 0x2c;
const CLOSING_BRACKET = 0x5d;
const BODY = new Stamp(',"g":[');

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
  /** Of one batch. */
  readonly #values = new Float64Array(MAX_USUAL);
  /** By the place of their asset. */
  readonly #assets: AssetDraft[] = [];
  /** The same. */
  readonly #heads: Stamp[] = [];
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
    try {
      const unknown = batches instanceof PackedBatches ? this.#takeAll(batches, growing) : this.#each(batches, growing);
      return { records: this.#written(growing, head, room), unknown };
    } finally {
      for (const draft of growing) draft.clear();
    }
  }

  /** Most batches are good numbers of one asset, read together again and again: those take a shorter way. */
  #takeAll(batches: PackedBatches, growing: AssetDraft[]): number {
    let unknown = 0;
    for (let reader = batches.reader(); reader !== undefined; reader = batches.reader()) {
      if (this.#takeUsual(reader, growing)) continue;
      const batch = reader.next();
      if (batch !== undefined) unknown += this.#take(batch, growing);
    }
    return unknown;
  }

  /** Samples that cannot be told. */
  #each(batches: Iterable<Batch>, growing: AssetDraft[]): number {
    let unknown = 0;
    for (const batch of batches) unknown += this.#take(batch, growing);
    return unknown;
  }

  #takeUsual(reader: PackReader, growing: AssetDraft[]): boolean {
    const plan = this.#splitter.usual(reader.first);
    if (plan?.whole === undefined || plan.numbers.length > this.#values.length) return false;
    if (plan.pause > 0) {
      plan.pause--;
      return false;
    }
    if (!reader.nextOf(plan.numbers, this.#values)) {
      plan.pause = PAUSE;
      return false;
    }
    const draft = this.#assetOf(plan.whole);
    if (draft.empty) growing.push(draft);
    draft.addGood(reader.tUs, this.#values, plan.whole);
    return true;
  }

  #take(batch: Batch, growing: AssetDraft[]): number {
    const plan = this.#splitter.divide(batch);
    for (const part of plan.parts) {
      const draft = this.#assetOf(part);
      if (draft.empty) growing.push(draft);
      draft.add(batch, part);
    }
    return plan.unknown;
  }

  #assetOf({ asset, place }: Part): AssetDraft {
    this.#assets[place] ??= new AssetDraft(asset, place, this.#cells);
    return this.#assets[place];
  }

  /** All in one buffer: thousands of small ones cost more than what is written into them. */
  #written(growing: readonly AssetDraft[], head: SealHead, room: Room): SealedBytes[] {
    let bytes = OVERHANG_BYTES;
    for (const { drafts } of growing) for (let i = 0; i < drafts.taken; i++) bytes += drafts.at(i).maxBytes;
    const page = pageOf(room(bytes));
    const out = page.bytes;
    const fromBoot = new Stamp(headFromBoot({ ...head, birth: this.#origin.birthId }));
    this.#headsFor(head);
    const records: SealedBytes[] = [];
    let at = 0;
    for (const assetDraft of growing) {
      const { asset, drafts } = assetDraft;
      const toSeq = this.#headOf(assetDraft, head);
      for (let i = 0; i < drafts.taken; i++) {
        const from = at;
        const draft = drafts.at(i);
        at = fromBoot.write(page, writeNumber(page, toSeq.write(page, at), head.firstSeq + records.length));
        at = this.#writeBody(draft, page, at);
        const crc = crc32(out.subarray(from, at));
        at = writeCrc(out, at, crc);
        records.push({ asset, plain: out.subarray(from, at), crc: crcOfWhole(crc), samples: draft.samples });
      }
    }
    return records;
  }

  /** From the value of `t0` on. */
  #writeBody(draft: Draft, page: Page, start: number): number {
    const { groups, t0 } = draft;
    const out = page.bytes;
    let at = BODY.write(page, writeNumber(page, start, t0));
    for (let i = 0; i < groups.taken; i++) {
      if (i > 0) out[at++] = COMMA;
      const group = groups.at(i);
      at = group.writeRest(page, group.writeTimes(page, at, t0), this.#cells);
    }
    out[at++] = CLOSING_BRACKET;
    return at;
  }

  #headsFor({ epoch, stream }: SealHead): void {
    const of = `${epoch} ${stream}`;
    if (of !== this.#headsOf) this.#heads.length = 0;
    this.#headsOf = of;
  }

  #headOf(draft: AssetDraft, head: SealHead): Stamp {
    return this.#heads[draft.place] ?? this.#newHead(draft, head);
  }

  /** By itself: V8 would build it into the loop over all records, which takes a drain's first milliseconds. */
  #newHead({ asset, place }: AssetDraft, { epoch, stream: c }: SealHead): Stamp {
    const head = new Stamp(headToSeq({ k: "data", gw: this.#origin.gateway, asset, epoch, c }));
    this.#heads[place] = head;
    return head;
  }
}
