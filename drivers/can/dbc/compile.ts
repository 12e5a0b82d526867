/** Turns a message's signals into decoders: plain objects that a loop walks for each frame. */
import { decimals, roundTo } from "../../../core/round.ts";
import type { Value } from "../../../core/sample.ts";
import type { DbcMessage, DbcSignal, MuxRange } from "./dbc.ts";
import { type BitField, bitField, readBigInteger, readFloat, readInteger } from "./extract.ts";

/** How a profile wants a DBC signal, beyond what the DBC says itself. */
export interface SignalWish {
  /** Multiplies the DBC's physical value. */
  readonly scale?: number | undefined;
  readonly resolution?: number | undefined;
  /** Raw values without meaning, besides those that the DBC's labels call so. */
  readonly bad?: readonly number[] | undefined;
  /** Texts of raw values; makes it an enumeration. */
  readonly labels?: ReadonlyMap<number, string> | undefined;
}

interface Condition {
  readonly field: BitField;
  readonly ranges: readonly MuxRange[];
}

export interface SignalDecoder {
  readonly field: BitField;
  readonly form: "integer" | "wide" | "float";
  /** Value = raw x gain + bias, rounded. */
  readonly gain: number;
  readonly bias: number;
  readonly resolution: number;
  readonly decimals: number;
  readonly bad: readonly number[];
  /** Of an enumeration; any other raw value is bad. */
  readonly labels: ReadonlyMap<number, string> | undefined;
  /** All must hold for the signal to be in a frame. */
  readonly conditions: readonly Condition[];
}

/** Exact in a double; longer fields take BigInt. */
const EXACT_BITS = 53;
/** DBC files give floats no resolution; a millionth is finer than any sensor on a vehicle bus. */
const FLOAT_RESOLUTION = 0.000001;
/** What the field writes into VAL_ for "signal not available". */
const MEANINGLESS = /^(?:sna|n\/?a|invalid|not[_ ]?(?:available|valid)|signal[_ ]not[_ ](?:available|valid))$/i;

/** Nested multiplexing deeper than this is a loop in SG_MUL_VAL_. */
const MAX_MUX_DEPTH = 8;

export function compileSignal(message: DbcMessage, signal: DbcSignal, wish: SignalWish): SignalDecoder {
  const gain = signal.factor * (wish.scale ?? 1);
  const bias = signal.offset * (wish.scale ?? 1);
  const resolution = wish.resolution ?? naturalResolution(signal, gain, bias);
  return {
    field: bitField(signal),
    form: signal.float !== 0 ? "float" : signal.length > EXACT_BITS ? "wide" : "integer",
    gain,
    bias,
    resolution,
    decimals: decimals(resolution),
    bad: [...(wish.bad ?? []), ...meaningless(signal)],
    labels: wish.labels ?? enumerationOf(signal),
    conditions: conditionsOf(message, signal),
  };
}

/**
 * The signal's value in a frame: null where it is bad (frame too short, raw value without meaning, no label), undefined
 * where the multiplexor says that the frame does not have it.
 */
export function decodeSignal(decoder: SignalDecoder, data: Uint8Array): Value | undefined {
  const { field, conditions } = decoder;
  for (let index = 0; index < conditions.length; index++) {
    const { field: selector, ranges } = conditions[index] as Condition;
    if (data.length < selector.needBytes) return null;
    if (!isWithin(ranges, readInteger(selector, data))) return undefined;
  }
  if (data.length < field.needBytes) return null;
  if (decoder.form === "wide") return wideValue(decoder, data);
  const raw = decoder.form === "float" ? readFloat(field, data) : readInteger(field, data);
  if (decoder.bad.includes(raw)) return null;
  if (decoder.labels !== undefined) return decoder.labels.get(raw) ?? null;
  const value = roundTo(raw * decoder.gain + decoder.bias, decoder.decimals);
  return Number.isFinite(value) ? value : null;
}

/** Counters and identifiers of more than 53 bits keep every digit, as text, unless they are scaled. */
function wideValue(decoder: SignalDecoder, data: Uint8Array): Value {
  const raw = readBigInteger(decoder.field, data);
  const near = Number(raw);
  if (decoder.bad.includes(near)) return null;
  if (decoder.labels !== undefined) return decoder.labels.get(near) ?? null;
  if (decoder.gain !== 1 || decoder.bias !== 0) return roundTo(near * decoder.gain + decoder.bias, decoder.decimals);
  return Number.isSafeInteger(near) ? near : raw.toString();
}

function isWithin(ranges: readonly MuxRange[], raw: number): boolean {
  for (let index = 0; index < ranges.length; index++) {
    const [low, high] = ranges[index] as MuxRange;
    if (raw >= low && raw <= high) return true;
  }
  return false;
}

/** The decimals that raw x factor + offset can have. */
function naturalResolution(signal: DbcSignal, gain: number, bias: number): number {
  if (signal.float !== 0) return FLOAT_RESOLUTION;
  const places = Math.max(decimals(Math.abs(gain)), decimals(Math.abs(bias)));
  return Number(`1e-${places}`);
}

/**
 * VAL_ tables name the states of an enumeration as well as the special values of a number. It is an enumeration when
 * raw values are counted (no unit, factor 1) and 0 and one more have names; else it is a number.
 */
function enumerationOf({ labels, unit, factor, offset, float }: DbcSignal): ReadonlyMap<number, string> | undefined {
  const counted = unit === "" && factor === 1 && offset === 0 && float === 0;
  if (!counted || labels.size < 2 || !labels.has(0)) return undefined;
  return new Map([...labels].filter(([, label]) => !MEANINGLESS.test(label)));
}

function meaningless({ labels }: DbcSignal): number[] {
  return [...labels].filter(([, label]) => MEANINGLESS.test(label)).map(([raw]) => raw);
}

function conditionsOf(message: DbcMessage, signal: DbcSignal): Condition[] {
  const conditions: Condition[] = [];
  let condition = signal.condition;
  while (condition !== undefined && conditions.length < MAX_MUX_DEPTH) {
    const { by, ranges }: { by: string; ranges: readonly MuxRange[] } = condition;
    const selector = message.signals.find(({ name }) => name === by);
    if (selector === undefined) break;
    conditions.push({ field: bitField(selector), ranges });
    condition = selector.condition;
  }
  return conditions;
}
