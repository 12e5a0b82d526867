/** The oracle's comparison of one signal: samples served against samples arrived, both in order of time. */
import type { Interval } from "./oracle.ts";

export interface LedgerSample {
  /** `<asset> <signal>` */
  readonly key: string;
  readonly ts: number;
  readonly value: unknown;
  readonly spoilt: boolean;
}

export interface ReceivedSample {
  readonly key: string;
  readonly ts: number;
  readonly value: unknown;
  readonly quality: string;
}

export interface SignalCase {
  readonly key: string;
  readonly served: readonly LedgerSample[];
  readonly arrived: readonly ReceivedSample[];
  readonly intervals: readonly Interval[];
  readonly covered: (sample: LedgerSample) => boolean;
  /** Times of the last samples that gaps tell as lost, in order: each may have been one of this signal. */
  readonly lostAt: readonly number[];
  /** Default: TOLERANCE. */
  readonly tolerance?: Tolerance;
}

/** How far apart ledger and sample may be, in milliseconds. */
export interface Tolerance {
  /** From a reply's write to its arrival. */
  readonly lateMs: number;
  /** Between the stamps of a frame that was sent and received. */
  readonly canMs: number;
  /** What a busy machine adds to the intervals of CAN's collection rule. */
  readonly jitterMs: number;
}

/** A reply's last byte is written before it is read; both clocks are cut to milliseconds, and processes get preempted. */
export const EARLY_MS = 5;
/** On an ordinary machine; simulated frames carry their own stamp. */
export const TOLERANCE: Tolerance = { lateMs: 500, canMs: 5, jitterMs: 600 };
/** The collection rule of CAN signals (DESIGN §4). */
const AT_MOST_MS = 1000;
const AT_LEAST_MS = 60_000;

/** Every good sample is one served reply, and every reply in an interval is one good sample. */
export function checkModbus(one: SignalCase): string[] {
  const { key, served, arrived, intervals, covered, tolerance = TOLERANCE } = one;
  const violations: string[] = [];
  const used = new Set<LedgerSample>();
  let start = 0;
  for (const sample of arrived) {
    if (sample.quality !== "g") continue;
    while (start < served.length && (served[start] as LedgerSample).ts < sample.ts - tolerance.lateMs) start++;
    const match = findServed(served, used, start, sample);
    if (match === undefined) violations.push(`${key} ${text(sample)}: arrived, but no such reply was served`);
    else if (match.spoilt) violations.push(`${key} ${text(sample)}: arrived from a spoilt reply`);
    else used.add(match);
  }
  for (const line of served) {
    if (line.spoilt || used.has(line) || covered(line) || !within(intervals, line.ts)) continue;
    violations.push(`${key} ${text(line)}: served, but never arrived`);
  }
  return violations;
}

/** Every good sample is a served frame; changes are missing for no longer than the collection rule allows. */
export function checkCan(one: SignalCase): string[] {
  const { key, served, arrived, intervals, covered, lostAt, tolerance = TOLERANCE } = one;
  const violations: string[] = [];
  const byTime = Map.groupBy(served, ({ ts }) => ts);
  for (const sample of arrived) {
    if (sample.quality !== "g") continue;
    const match = nearby(byTime, sample, tolerance.canMs);
    if (match === undefined) violations.push(`${key} ${text(sample)}: arrived, but no such frame was sent`);
    else if (match.spoilt) violations.push(`${key} ${text(sample)}: arrived from a spoilt frame`);
  }
  let at = -1;
  for (const line of served) {
    while ((arrived[at + 1]?.ts ?? Number.POSITIVE_INFINITY) <= line.ts + tolerance.canMs) at++;
    if (line.spoilt || covered(line) || !within(intervals, line.ts)) continue;
    const last = arrived[at];
    const lostMs = lostAt.findLast((ts) => ts <= line.ts) ?? Number.NEGATIVE_INFINITY;
    const sinceMs = line.ts - Math.max(last?.ts ?? Number.NEGATIVE_INFINITY, lostMs);
    const boundMs = same(last?.value, line.value) && last?.quality === "g" ? AT_LEAST_MS : AT_MOST_MS;
    if (sinceMs > boundMs + tolerance.jitterMs)
      violations.push(`${key} ${text(line)}: sent, last sample ${sinceMs} ms before`);
  }
  return violations;
}

/** The latest reply that a sample can have come from; a spoilt one only where there is no other. */
function findServed(
  served: readonly LedgerSample[],
  used: ReadonlySet<LedgerSample>,
  start: number,
  sample: ReceivedSample,
): LedgerSample | undefined {
  let sound: LedgerSample | undefined;
  let spoilt: LedgerSample | undefined;
  for (let i = start; i < served.length; i++) {
    const line = served[i] as LedgerSample;
    if (line.ts > sample.ts + EARLY_MS) break;
    if (used.has(line) || !same(line.value, sample.value)) continue;
    if (line.spoilt) spoilt = line;
    else sound = line;
  }
  return sound ?? spoilt;
}

function nearby(
  byTime: ReadonlyMap<number, readonly LedgerSample[]>,
  sample: ReceivedSample,
  toleranceMs: number,
): LedgerSample | undefined {
  for (let off = 0; off <= toleranceMs; off++) {
    for (const ts of [sample.ts - off, sample.ts + off]) {
      const line = byTime.get(ts)?.find(({ value }) => same(value, sample.value));
      if (line !== undefined) return line;
    }
  }
  return undefined;
}

function within(intervals: readonly Interval[], ts: number): boolean {
  return intervals.some(({ from, until }) => ts >= from && ts <= until);
}

function same(a: unknown, b: unknown): boolean {
  if (typeof a === "number" && typeof b === "number") return Math.abs(a - b) < 1e-9 * Math.max(1, Math.abs(a));
  return a === b;
}

function text(sample: { readonly ts: number; readonly value: unknown }): string {
  return `${String(sample.value)} at ${sample.ts}`;
}
