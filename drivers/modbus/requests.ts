/** A device's read requests, each made once: its bytes, and what becomes of the registers in its reply. */
import { BAD, type Batch, GOOD, type Quality, type Value } from "../../core/sample.ts";
import { ReadRequest, type TakeRegisters } from "./client.ts";
import { decodeSignal } from "./decode.ts";
import { signalsInside } from "./plan.ts";
import type { RegisterSignal, Span } from "./profile.ts";

export interface RequestsOptions {
  readonly unit: number;
  readonly timeoutMs: number;
  readonly signals: readonly RegisterSignal[];
  /** Its number in the signal table. */
  readonly number: (signal: RegisterSignal) => number;
  readonly emit: (batch: Batch) => void;
}

export class Requests {
  readonly #o: RequestsOptions;
  readonly #made = new WeakMap<Span, ReadRequest>();
  #answered = false;

  constructor(options: RequestsOptions) {
    this.#o = options;
  }

  /** Registers came in reply to any of them, ever. */
  get answered(): boolean {
    return this.#answered;
  }

  of(span: Span): ReadRequest {
    const known = this.#made.get(span);
    if (known !== undefined) return known;
    const request = new ReadRequest(span, this.#o, this.#decoder(span));
    this.#made.set(span, request);
    return request;
  }

  /** Every profiled register in a reply becomes a sample, whichever group asked. */
  #decoder(span: Span): TakeRegisters {
    const signals = signalsInside(this.#o.signals, span);
    const numbers = signals.map((signal) => this.#o.number(signal));
    const { emit } = this.#o;
    return (bytes, at, tUs) => {
      const values = new Array<Value>(signals.length);
      const quality = new Array<Quality>(signals.length);
      for (let i = 0; i < signals.length; i++) {
        const signal = signals[i] as RegisterSignal;
        const value = decodeSignal(signal, bytes, at + 2 * (signal.at - span.at));
        values[i] = value ?? null;
        quality[i] = value === undefined ? BAD : GOOD;
      }
      this.#answered = true;
      emit({ tUs, numbers, values, quality });
    };
  }
}
