/** The last value of every signal that was handed over, by asset: what `now/<asset>` tells while a backlog stands. */
import { PackReader } from "../../core/pack-reader.ts";
import { BAD, QUALITY_WORDS, type Quality, type Value } from "../../core/sample.ts";
import { signalsOfBirth } from "../../core/signals.ts";

/** Written over with each new value, for every sample comes by here, and hardly ever is one asked for. */
interface Latest {
  value: Value;
  quality: Quality;
  tUs: number;
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
  readonly #reader = new PackReader();

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
      this.#reader.begin(bytes);
      for (let batch = this.#reader.next(); batch !== undefined; batch = this.#reader.next()) {
        const { tUs, numbers, values, quality } = batch;
        for (let i = 0; i < numbers.length; i++) {
          const index = (numbers[i] as number) - 1;
          let latest = this.#latest[index];
          if (latest === undefined) {
            latest = { value: null, quality: BAD, tUs: 0 };
            this.#latest[index] = latest;
          }
          latest.value = values[i] as Value;
          latest.quality = quality[i] as Quality;
          latest.tUs = tUs;
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
        const { value: v, quality, tUs } = latest;
        const ts = Math.floor(tUs / 1000);
        newest = Math.max(newest, ts);
        values[name] = { v, ...(unit === undefined ? {} : { u: unit }), q: QUALITY_WORDS[quality], ts };
      }
      if (newest > 0) yield { asset, ts: newest, values };
    }
  }
}
