/** The hot path: one frame of one device to one batch. Listed in docs/ARCHITECTURE.md; nothing here formats or spreads. */
import { BAD, type Batch, GOOD, type Quality, type Value } from "../../core/sample.ts";
import { holds } from "./checksum.ts";
import { decodeSignal } from "./dbc/compile.ts";
import type { FrameModel, FrameSignal } from "./model.ts";

/** What came of a frame; `absent`: the multiplexor selects nothing that we read. */
export type Outcome = "good" | "checksum" | "short" | "bad" | "absent";

export interface RouteContext {
  number(asset: string, signal: string): number;
  emit(batch: Batch): void;
}

/** A frame of one device, bound to the signal numbers of this run. */
export class Route {
  readonly asset: string;
  readonly frame: FrameModel;
  readonly #emit: (batch: Batch) => void;
  readonly #signals: readonly FrameSignal[];
  readonly #numbers: readonly number[];
  /** Shared by every batch in which all is as usual. */
  readonly #allGood: readonly Quality[];
  readonly #needBytes: number;
  readonly #certain: readonly boolean[];

  constructor(asset: string, frame: FrameModel, context: RouteContext) {
    this.asset = asset;
    this.frame = frame;
    this.#emit = (batch) => context.emit(batch);
    this.#signals = frame.signals;
    this.#numbers = frame.signals.map(({ name }) => context.number(asset, name));
    this.#allGood = frame.signals.map(() => GOOD);
    this.#needBytes = Math.max(...frame.signals.map(({ decoder }) => decoder.field.needBytes));
    this.#certain = frame.signals.map(({ decoder }) => decoder.conditions.length === 0);
  }

  /** Decodes the frame and emits its batch, if it has any of our signals. */
  take(data: Uint8Array, tUs: number): Outcome {
    const { checksum } = this.frame;
    if (checksum !== undefined && !holds(checksum, data)) {
      this.#emitBad(tUs);
      return data.length <= checksum.at ? "short" : "checksum";
    }
    const count = this.#signals.length;
    const values: Value[] = [];
    let bad = 0;
    let absent = 0;
    for (let index = 0; index < count; index++) {
      const value = decodeSignal((this.#signals[index] as FrameSignal).decoder, data);
      if (value === undefined) {
        absent++;
        continue;
      }
      if (value === null) bad++;
      values.push(value);
    }
    if (values.length === 0) return "absent";
    const numbers = absent === 0 ? this.#numbers : this.#present(data);
    const quality = bad === 0 && absent === 0 ? this.#allGood : qualityOf(values);
    this.#emit({ tUs, numbers, values, quality });
    if (bad < values.length) return "good";
    return data.length < this.#needBytes ? "short" : "bad";
  }

  /** The signals whose multiplexor value this frame carries. */
  #present(data: Uint8Array): number[] {
    return this.#numbers.filter((_, index) => {
      const signal = this.#signals[index] as FrameSignal;
      return decodeSignal(signal.decoder, data) !== undefined;
    });
  }

  /** Of a corrupt frame the multiplexor is not to be trusted either: only what is always there is known to be bad. */
  #emitBad(tUs: number): void {
    const numbers = this.#numbers.filter((_, index) => this.#certain[index]);
    if (numbers.length === 0) return;
    this.#emit({ tUs, numbers, values: numbers.map(() => null), quality: numbers.map(() => BAD) });
  }
}

function qualityOf(values: readonly Value[]): readonly Quality[] {
  return values.map((value) => (value === null ? BAD : GOOD));
}
