/**
 * The conservation oracle (DESIGN §9): what the simulator served, against what a cloud subscriber received. Nothing
 * missing, nothing doubled, nothing invented. Every fault test ends with it.
 */
import { type BusbarRecord, type Gap, parseRecord, plainRecord, type Stream } from "../../core/record.ts";
import {
  checkCan,
  checkModbus,
  EARLY_MS,
  type LedgerSample,
  type ReceivedSample,
  TOLERANCE,
  type Tolerance,
} from "./oracle-samples.ts";

/** A publish as the subscriber saw it. */
export interface Received {
  readonly topic: string;
  readonly payload: Buffer;
}

/** From when to when (milliseconds since 1970) every ledger line must have arrived: one boot of the gateway. */
export interface Interval {
  readonly from: number;
  readonly until: number;
}

export interface OracleInput {
  /** The ledger file's text. */
  readonly ledger: string;
  readonly received: readonly Received[];
  readonly intervals: readonly Interval[];
  /** Assets on CAN: their lines are collected by rule, not each. */
  readonly canAssets: readonly string[];
  /** Assets that the simulator does not serve (the gateway itself). */
  readonly ownAssets: readonly string[];
  /** Of a machine that is slower than usual. */
  readonly tolerance?: Tolerance;
}

export interface Verdict {
  /** What is wrong, in words; empty: all is well. */
  readonly violations: string[];
  readonly records: number;
  readonly repeats: number;
  readonly samples: number;
  readonly ledgerSamples: number;
  readonly gaps: readonly Gap[];
}

const RECORD_TOPIC = /\/(data\/[^/]+|event\/[^/]+|session\/[^/]+|gap|time)$/;
const MAX_TOLD = 20;

export function judge(input: OracleInput): Verdict {
  const violations: string[] = [];
  const { records, repeats } = distinct(input.received, violations);
  const gaps = records.flatMap((record) => (record.gap === undefined ? [] : [record.gap]));
  checkSequences(records, gaps, violations);
  const { tolerance = TOLERANCE } = input;
  const offsets = offsetsOf(records);
  const own = new Set(input.ownAssets);
  const samples = records.flatMap((record) => (own.has(record.asset ?? "") ? [] : samplesOf(record, offsets)));
  const ledger = parseLedger(input.ledger);
  // A gap tells the times of the samples that were lost, which are those of the replies' arrival.
  const covered = ({ ts }: LedgerSample): boolean => {
    return gaps.some((gap) => ts >= gap.t0 - tolerance.lateMs && ts <= gap.t1 + EARLY_MS);
  };
  const lostAt = gaps.map(({ t1 }) => t1).sort((a, b) => a - b);
  const can = new Set(input.canAssets);
  const bySignal = groupBySignal(ledger, samples);
  for (const [key, { served, arrived }] of bySignal) {
    const check = can.has(key.slice(0, key.indexOf(" "))) ? checkCan : checkModbus;
    violations.push(...check({ key, served, arrived, intervals: input.intervals, covered, lostAt, tolerance }));
  }
  const told =
    violations.length > MAX_TOLD ? [...violations.slice(0, MAX_TOLD), `… ${violations.length} in all`] : violations;
  return {
    violations: told,
    records: records.length,
    repeats,
    samples: samples.length,
    ledgerSamples: ledger.length,
    gaps,
  };
}

/** Every record once; one that came again must have come with the same bytes. */
function distinct(received: readonly Received[], violations: string[]): { records: BusbarRecord[]; repeats: number } {
  const seen = new Map<string, Buffer>();
  const records: BusbarRecord[] = [];
  let repeats = 0;
  for (const { topic, payload } of received) {
    if (!RECORD_TOPIC.test(topic)) continue;
    const plain = plainRecord(payload);
    const record = parseRecord(plain);
    const identity = `${record.gw} ${record.epoch} ${record.c} ${record.seq}`;
    const before = seen.get(identity);
    if (before === undefined) {
      seen.set(identity, plain);
      records.push(record);
    } else {
      repeats++;
      if (!before.equals(plain)) violations.push(`record ${identity} came again with other bytes`);
    }
  }
  return { records, repeats };
}

/** seq counts from 1 without holes per (epoch, stream), but for what gap records cover. */
function checkSequences(records: readonly BusbarRecord[], gaps: readonly Gap[], violations: string[]): void {
  const streams = new Map<string, { epoch: string; stream: Stream; seqs: Set<number>; last: number }>();
  for (const { epoch, c: stream, seq } of records) {
    const key = `${epoch} ${stream}`;
    const known = streams.get(key) ?? { epoch, stream, seqs: new Set<number>(), last: 0 };
    known.seqs.add(seq);
    known.last = Math.max(known.last, seq);
    streams.set(key, known);
  }
  for (const [key, { epoch, stream, seqs, last }] of streams) {
    for (let seq = 1; seq <= last; seq++) {
      const inGap = gaps.some((gap) => {
        return (
          gap.epoch === epoch && gap.c === stream && gap.from !== null && seq >= gap.from && seq <= (gap.to ?? last)
        );
      });
      if (!seqs.has(seq) && !inGap) violations.push(`record ${key} ${seq} is missing`);
    }
  }
}

/** By boot: how far its times are off that were taken before the clock was true. */
function offsetsOf(records: readonly BusbarRecord[]): ReadonlyMap<number, number> {
  return new Map(records.flatMap(({ time }) => (time === undefined ? [] : [[time.boot, time.offset_ms] as const])));
}

function samplesOf(record: BusbarRecord, offsets: ReadonlyMap<number, number>): ReceivedSample[] {
  const samples: ReceivedSample[] = [];
  for (const group of record.g ?? []) {
    let ts = record.t0 + (record.sync ? 0 : (offsets.get(record.boot) ?? 0));
    for (let i = 0; i < group.t.length; i++) {
      ts += group.t[i] as number;
      for (const [signal, values] of Object.entries(group.s)) {
        const quality = group.q?.[signal]?.[i] ?? "g";
        samples.push({ key: `${record.asset} ${signal}`, ts, value: values[i], quality });
      }
    }
  }
  return samples;
}

function parseLedger(text: string): LedgerSample[] {
  const samples: LedgerSample[] = [];
  // A line that is still being written has no end yet.
  for (const line of text.slice(0, text.lastIndexOf("\n") + 1).split("\n")) {
    if (line === "") continue;
    const entry = JSON.parse(line) as { ts: number; asset: string; signals: Record<string, unknown>; spoilt?: boolean };
    for (const [signal, value] of Object.entries(entry.signals)) {
      samples.push({ key: `${entry.asset} ${signal}`, ts: entry.ts, value, spoilt: entry.spoilt === true });
    }
  }
  return samples;
}

function groupBySignal(ledger: readonly LedgerSample[], samples: readonly ReceivedSample[]) {
  const groups = new Map<string, { served: LedgerSample[]; arrived: ReceivedSample[] }>();
  const group = (key: string) => {
    const known = groups.get(key) ?? { served: [], arrived: [] };
    groups.set(key, known);
    return known;
  };
  for (const sample of ledger) group(sample.key).served.push(sample);
  for (const sample of samples) group(sample.key).arrived.push(sample);
  for (const { served, arrived } of groups.values()) {
    served.sort((a, b) => a.ts - b.ts);
    arrived.sort((a, b) => a.ts - b.ts);
  }
  return groups;
}
