/**
 * Packed batches of all assets become records, one asset each. Pure and deterministic: stored seals are rebuilt by it,
 * so whoever changes one byte of its output raises ENCODER and keeps the old way for seals that name the old number.
 *
 * Times are whole milliseconds (rounded down); `t0` is the earliest in the record. Batches with the same list of
 * signals share a group while their times do not run backwards; stale samples keep their older time and stand in a
 * group of their own. Records follow by asset in order of first appearance, those of one asset in order of their data.
 */
import type { Stream } from "../../core/record.ts";
import { sealRecord } from "../../core/record.ts";
import type { Batch, Value } from "../../core/sample.ts";
import { QUALITY_LETTERS, STALE } from "../../core/sample.ts";
import { GroupText } from "./group-text.ts";

export const ENCODER = 1;
/** Most bytes of one record's plain JSON. */
export const MAX_RECORD_BYTES = 32 * 1024;
/** Header and tail with the longest ids are below this. */
const FRAME_BYTES = 512;

/** What is the same for all records of one seal. */
export interface SealContext {
  readonly gateway: string;
  readonly epoch: string;
  readonly stream: Stream;
  readonly boot: number;
  readonly sync: boolean;
  readonly birthId: string;
  /** signals[n - 1] is signal number n of that birth. */
  readonly signals: readonly { readonly asset: string; readonly name: string }[];
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

/** Samples of one batch that stand in one group: indices into it, and their names. */
interface Part {
  readonly asset: string;
  readonly key: string;
  readonly names: readonly string[];
  readonly indices: readonly number[];
}

export function sealBatches(batches: Iterable<Batch>, context: SealContext, firstSeq: number): SealResult {
  const split = new Splitter(context.signals);
  const drafts = new Map<string, AssetDraft>();
  for (const batch of batches) {
    for (const part of split.parts(batch)) {
      let draft = drafts.get(part.asset);
      if (draft === undefined) {
        draft = new AssetDraft();
        drafts.set(part.asset, draft);
      }
      draft.add(batch, part);
    }
  }
  const records: SealedBytes[] = [];
  for (const [asset, draft] of drafts) {
    for (const { t0, body, samples } of draft.finish()) {
      const seq = firstSeq + records.length;
      const { gateway: gw, epoch, stream: c, boot, sync, birthId: birth } = context;
      const plain = sealRecord({ k: "data", gw, asset, epoch, c, seq, boot, sync, birth, t0 }, body);
      records.push({ asset, plain, samples });
    }
  }
  return { records, unknown: split.unknown };
}

/** Divides batches by asset and staleness; the plan of an all-fresh batch is kept, polls repeat the same list. */
class Splitter {
  readonly #signals: SealContext["signals"];
  readonly #plans = new Map<string, readonly Part[]>();
  unknown = 0;

  constructor(signals: SealContext["signals"]) {
    this.#signals = signals;
  }

  parts(batch: Batch): readonly Part[] {
    const all = batch.numbers.map((_, index) => index);
    if (!batch.quality.includes(STALE)) return this.#plan(batch, all);
    const isStale = (index: number): boolean => batch.quality[index] === STALE;
    return [
      ...this.#plan(
        batch,
        all.filter((index) => !isStale(index)),
      ),
      ...this.#plan(batch, all.filter(isStale)).map((part) => ({ ...part, key: "" })),
    ];
  }

  #plan(batch: Batch, indices: readonly number[]): readonly Part[] {
    const cacheKey = indices.map((index) => `${index}:${batch.numbers[index]}`).join();
    let plan = this.#plans.get(cacheKey);
    if (plan === undefined) {
      plan = this.#divide(batch, indices);
      this.#plans.set(cacheKey, plan);
    }
    for (const index of indices) if (this.#signals[(batch.numbers[index] ?? 0) - 1] === undefined) this.unknown++;
    return plan;
  }

  /** One part per asset; a signal that comes twice opens another, because JSON has each name once. */
  #divide(batch: Batch, indices: readonly number[]): Part[] {
    const parts: { asset: string; key: string; names: string[]; indices: number[] }[] = [];
    for (const index of indices) {
      const signal = this.#signals[(batch.numbers[index] ?? 0) - 1];
      if (signal === undefined) continue;
      let part = parts.find(({ asset, names }) => asset === signal.asset && !names.includes(signal.name));
      if (part === undefined) {
        part = { asset: signal.asset, key: "", names: [], indices: [] };
        parts.push(part);
      }
      part.names.push(signal.name);
      part.indices.push(index);
    }
    return parts.map((part) => ({ ...part, key: part.names.join("\n") }));
  }
}

interface Finished {
  readonly t0: number;
  readonly body: string;
  readonly samples: number;
}

/** The records of one asset, the last one still growing. */
class AssetDraft {
  readonly #finished: Finished[] = [];
  #groups: GroupText[] = [];
  #byKey = new Map<string, GroupText>();
  #bytes = FRAME_BYTES;
  #samples = 0;

  add(batch: Batch, part: Part): void {
    const values = part.indices.map((index) => jsonOf(batch.values[index] ?? null));
    const tMs = Math.floor(batch.tUs / 1000);
    const bytes = this.#cost(part, values, tMs);
    if (this.#bytes + bytes > MAX_RECORD_BYTES && this.#samples > 0) {
      this.#close();
      this.add(batch, part);
    } else if (this.#bytes + bytes > MAX_RECORD_BYTES && part.indices.length > 1) {
      for (const half of halves(part)) this.add(batch, half);
    } else {
      this.#bytes += bytes;
      this.#samples += values.length;
      const letters = part.indices.map((index) => QUALITY_LETTERS[batch.quality[index] ?? 0]);
      this.#group(part, tMs).add(tMs, values, letters);
    }
  }

  finish(): readonly Finished[] {
    if (this.#samples > 0) this.#close();
    return this.#finished;
  }

  #open(part: Part, tMs: number): GroupText | undefined {
    const group = part.key === "" ? undefined : this.#byKey.get(part.key);
    return group !== undefined && group.lastMs <= tMs ? group : undefined;
  }

  #cost(part: Part, values: readonly string[], tMs: number): number {
    const group = this.#open(part, tMs);
    return group === undefined
      ? GroupText.openingBytes(part.names) + GroupText.rowBytes(values, tMs)
      : GroupText.rowBytes(values, tMs - group.lastMs);
  }

  #group(part: Part, tMs: number): GroupText {
    const open = this.#open(part, tMs);
    if (open !== undefined) return open;
    const group = new GroupText(part.names);
    this.#groups.push(group);
    if (part.key !== "") this.#byKey.set(part.key, group);
    return group;
  }

  #close(): void {
    const t0 = this.#groups.reduce((least, { firstMs }) => Math.min(least, firstMs), Number.POSITIVE_INFINITY);
    const body = `"g":[${this.#groups.map((group) => group.text(t0)).join(",")}]`;
    this.#finished.push({ t0, body, samples: this.#samples });
    this.#groups = [];
    this.#byKey = new Map();
    this.#bytes = FRAME_BYTES;
    this.#samples = 0;
  }
}

function halves(part: Part): Part[] {
  const middle = part.indices.length >> 1;
  return [part.indices.slice(0, middle), part.indices.slice(middle)].map((indices, second) => {
    const names = second === 0 ? part.names.slice(0, middle) : part.names.slice(middle);
    return { asset: part.asset, indices, names, key: part.key === "" ? "" : names.join("\n") };
  });
}

function jsonOf(value: Value): string {
  return typeof value === "number" ? (Number.isFinite(value) ? String(value + 0) : "null") : JSON.stringify(value);
}
