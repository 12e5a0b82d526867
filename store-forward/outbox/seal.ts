/**
 * Packed batches of all assets become records, one asset each. Deterministic: stored seals are rebuilt by it, so whoever
 * changes one byte of its output (here, in splitter.ts, asset-draft.ts, group-text.ts, cells.ts or number-text.ts) raises
 * ENCODER and keeps the old way for seals that name the old number.
 *
 * Times are whole milliseconds (rounded down); `t0` is the earliest in the record. Batches with the same list of
 * signals share a group while their times do not run backwards; stale samples keep their older time and stand in a
 * group of their own. Records follow by asset in order of first appearance, those of one asset in order of their data.
 */
import type { Stream } from "../../core/record.ts";
import { closeRecord, recordHead } from "../../core/record.ts";
import type { Batch } from "../../core/sample.ts";
import { AssetDraft, type Draft } from "./asset-draft.ts";
import { Cells } from "./cells.ts";
import { Splitter } from "./splitter.ts";

export const ENCODER = 1;
const COMMA = 0x2c;
const CLOSING_BRACKET = 0x5d;

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
  readonly samples: number;
}

export interface SealResult {
  readonly records: readonly SealedBytes[];
  /** Samples of signals that the birth does not name: they cannot be told to anybody. */
  readonly unknown: number;
}

/** Seals what was taken under one birth; what it has learnt of the batches and its buffers serve the next seal, too. */
export class Sealer {
  readonly #origin: Origin;
  readonly #splitter: Splitter;
  readonly #cells = new Cells();
  /** Where the next records are written; large buffers made anew each time are what makes a drain's memory grow. */
  #out = Buffer.alloc(0);

  constructor(origin: Origin) {
    this.#origin = origin;
    this.#splitter = new Splitter(origin.signals);
  }

  seal(batches: Iterable<Batch>, head: SealHead): SealResult {
    const cells = this.#cells;
    cells.clear();
    const growing = new Map<string, AssetDraft>();
    let unknown = 0;
    for (const batch of batches) {
      const plan = this.#splitter.divide(batch);
      unknown += plan.unknown;
      for (const part of plan.parts) {
        let draft = growing.get(part.asset);
        if (draft === undefined) {
          draft = new AssetDraft(cells);
          growing.set(part.asset, draft);
        }
        draft.add(batch, part);
      }
    }
    const drafts = [...growing].flatMap(([asset, draft]) => draft.finish().map((done) => ({ asset, ...done })));
    return { records: this.#written(drafts, head), unknown };
  }

  #room(bytes: number): Buffer {
    if (this.#out.length < bytes) this.#out = Buffer.allocUnsafeSlow(2 * bytes);
    return this.#out;
  }

  /** All in one buffer: thousands of small ones cost more than what is written into them. */
  #written(drafts: readonly (Draft & { readonly asset: string })[], head: SealHead): SealedBytes[] {
    const { gateway: gw, birthId: birth } = this.#origin;
    const { epoch, stream: c, boot, sync, firstSeq } = head;
    const out = this.#room(drafts.reduce((sum, { maxBytes }) => sum + maxBytes, 0));
    const ends: number[] = [];
    let at = 0;
    for (const [index, { asset, t0, groups }] of drafts.entries()) {
      const header = { k: "data", gw, asset, epoch, c, seq: firstSeq + index, boot, sync, birth, t0 } as const;
      const from = at;
      at += out.write(`${recordHead(header)}"g":[`, at);
      for (const [place, group] of groups.entries()) {
        if (place > 0) out[at++] = COMMA;
        at = group.write(out, at, { cells: this.#cells, t0 });
      }
      out[at++] = CLOSING_BRACKET;
      at = closeRecord(out, from, at);
      ends.push(at);
    }
    const kept = Buffer.from(out.subarray(0, at));
    return drafts.map(({ asset, samples }, index) => {
      return { asset, plain: kept.subarray(ends[index - 1] ?? 0, ends[index]), samples };
    });
  }
}
