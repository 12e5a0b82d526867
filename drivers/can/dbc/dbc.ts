/** What a DBC file says, as far as reading frames needs it. */

export type MuxRange = readonly [low: number, high: number];

/** A signal is there only while the raw value of `by`, another signal of its message, lies in one of the ranges. */
export interface MuxCondition {
  readonly by: string;
  readonly ranges: readonly MuxRange[];
}

export interface DbcSignal {
  readonly name: string;
  /** Intel: the bit of weight 1. Motorola: the most significant bit. Bit b is byte b >> 3, weight 1 << (b & 7). */
  readonly start: number;
  /** 1 to 64 bits. */
  readonly length: number;
  readonly bigEndian: boolean;
  readonly signed: boolean;
  /** 32 or 64 for an IEEE 754 number (SIG_VALTYPE_), else 0. */
  readonly float: 0 | 32 | 64;
  readonly factor: number;
  readonly offset: number;
  /** Both 0 where the file names no range. */
  readonly minimum: number;
  readonly maximum: number;
  readonly unit: string;
  /** Texts of raw values (VAL_). */
  readonly labels: ReadonlyMap<number, string>;
  /** Selects others of its message (M). */
  readonly multiplexor: boolean;
  readonly condition: MuxCondition | undefined;
  readonly line: number;
}

export interface DbcMessage {
  readonly name: string;
  /** 11 or 29 bits, without flags. */
  readonly id: number;
  readonly extended: boolean;
  readonly sizeBytes: number;
  readonly signals: readonly DbcSignal[];
  readonly line: number;
}

/** A statement that was skipped or repaired; `line` counts from 1. */
export interface DbcProblem {
  readonly line: number;
  readonly text: string;
}

export interface Dbc {
  readonly version: string;
  readonly messages: readonly DbcMessage[];
  readonly problems: readonly DbcProblem[];
}
