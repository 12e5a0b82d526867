/** The last value of every signal that was handed over, by asset: what `now/<asset>` tells while a backlog stands. */
import { unpack } from "../../core/pack.ts";
import { QUALITY_WORDS, type Quality, type Value } from "../../core/sample.ts";
import { signalsOfBirth } from "../../core/signals.ts";

interface Latest {
  readonly value: Value;
  readonly quality: Quality;
  readonly ts: number;
}

export interface AssetValues {
  readonly asset: string;
  readonly ts: number;
  readonly values: Readonly<
    Record<string, { readonly v: Value; readonly u?: string; readonly q: string; readonly ts: number }>
  >;
}

export class LatestValues {
  readonly #signals: readonly { readonly asset: string; readonly name: string; readonly unit: string | undefined }[];
  readonly #latest: (Latest | undefined)[] = [];

  constructor(birth: Uint8Array) {
    const { assets } = JSON.parse(Buffer.from(birth).toString()) as {
      assets: Readonly<Record<string, { readonly signals: Readonly<Record<string, { readonly unit?: string }>> }>>;
    };
    this.#signals = signalsOfBirth(birth).map(({ asset, name }) => {
      return { asset, name, unit: assets[asset]?.signals[name]?.unit };
    });
  }

  /** Bytes that are no packed batches are passed over. */
  take(bytes: Uint8Array): void {
    try {
      for (const { tUs, numbers, values, quality } of unpack(bytes)) {
        const ts = Math.floor(tUs / 1000);
        for (const [index, n] of numbers.entries()) {
          this.#latest[n - 1] = { value: values[index] ?? null, quality: quality[index] ?? 2, ts };
        }
      }
    } catch {
      // The outbox counts and tells them.
    }
  }

  /** Assets that have values, in the order of the birth. */
  *assets(): Generator<AssetValues, void, void> {
    const byAsset = Map.groupBy(this.#signals.entries(), ([, { asset }]) => asset);
    for (const [asset, signals] of byAsset) {
      const values: Record<string, AssetValues["values"][string]> = {};
      let newest = 0;
      for (const [index, { name, unit }] of signals) {
        const latest = this.#latest[index];
        if (latest === undefined) continue;
        const { value: v, quality, ts } = latest;
        newest = Math.max(newest, ts);
        values[name] = { v, ...(unit === undefined ? {} : { u: unit }), q: QUALITY_WORDS[quality], ts };
      }
      if (newest > 0) yield { asset, ts: newest, values };
    }
  }
}
