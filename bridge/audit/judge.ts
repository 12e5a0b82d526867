/**
 * What was found in Kafka → what is missing. Pure.
 *
 * A stream's numbers count from 1 to the highest that a record or a gap record names. Those that neither arrived nor lie
 * in a gap are missing, unless Kafka itself has deleted them, which it does from the start of a partition: what was
 * deleted from a partition was written before its `horizon`. A number that is not there was written after the next lower
 * one of its stream that is there; so it can be a deleted one only where that one lies before the horizon of a topic that
 * had it, or had the gap record that told of it.
 */
import type { Gap, Stream } from "../../core/record.ts";
import { countOf, merged, type Span, subtracted } from "./spans.ts";
import type { AuditedTopic, GatewayTally, StreamTally, Tally } from "./tally.ts";

/** Milliseconds since 1970 before which what a partition has lost was written; undefined where it has lost nothing. */
export type Horizon = (topic: AuditedTopic, partition: number) => number | undefined;

export interface GapVerdict {
  readonly reason: Gap["reason"];
  readonly records: number;
  readonly spans: readonly Span[];
  readonly openFrom: number | undefined;
  /** Numbers that did not arrive and of which no gap of an earlier reason tells. */
  readonly covered: number;
  readonly samples: number;
  readonly unnumbered: number;
}

export interface Missing {
  readonly span: Span;
  /** When Kafka got the record before, milliseconds since 1970. */
  readonly after: number | undefined;
}

export interface StreamVerdict {
  readonly gateway: string;
  readonly epoch: string;
  readonly stream: Stream;
  readonly arrived: { readonly count: number; readonly spans: readonly Span[] };
  /** When Kafka got the first and the last of them; undefined where none arrived. */
  readonly time: { readonly first: number; readonly last: number } | undefined;
  readonly doubled: { readonly count: number; readonly seqs: readonly number[] };
  /** Of the missing and deleted ones those of which some samples arrived. */
  readonly torn: readonly number[];
  readonly gaps: readonly GapVerdict[];
  readonly deleted: readonly Span[];
  readonly missing: readonly Missing[];
}

/** Where a stream's records are, and where gap records tell of those that are not. */
const TOPICS_OF: Readonly<Record<Stream, readonly AuditedTopic[]>> = {
  c: ["events", "gaps"],
  t: ["telemetry", "gaps"],
  b: ["telemetry", "gaps"],
};
const STREAM_ORDER: readonly Stream[] = ["c", "t", "b"];

/** Gateways in order of their names, epochs in order of time. */
export function* judge({ gateways }: Tally, horizon: Horizon): Generator<StreamVerdict> {
  for (const [gateway, tally] of [...gateways].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const epochs = [...tally.epochs].map(([epoch, streams]) => ({ epoch, streams, at: firstAt(streams) }));
    for (const { epoch, streams, at } of epochs.sort((a, b) => a.at - b.at)) {
      const before = lastBefore(tally, at);
      for (const stream of STREAM_ORDER) {
        const found = streams.get(stream);
        if (found === undefined) continue;
        const horizons = TOPICS_OF[stream].flatMap((topic) => horizon(topic, tally.partition) ?? []);
        yield { gateway, epoch, stream, ...judgeStream(found, before, Math.max(0, ...horizons)) };
      }
    }
  }
}

function judgeStream(found: StreamTally, before: number | undefined, horizon: number) {
  const arrived = found.arrived.list();
  const { verdicts, covered } = judgeGaps(found, arrived);
  const open = subtracted([[1, highest(found)]], merged([...arrived, ...covered]));
  const deleted: Span[] = [];
  const missing: Missing[] = [];
  for (const span of open) {
    const after = found.arrived.timeBefore(span[0]);
    if (horizon > 0 && (after ?? before ?? 0) < horizon) deleted.push(span);
    else missing.push({ span, after });
  }
  return {
    arrived: { count: found.arrived.count, spans: arrived },
    time: found.arrived.count === 0 ? undefined : { first: found.firstAt, last: found.lastAt },
    doubled: { count: found.doubled, seqs: found.doubledSeqs },
    torn: [...found.torn].sort((a, b) => a - b),
    gaps: verdicts,
    deleted,
    missing,
  };
}

function judgeGaps({ gaps }: StreamTally, arrived: readonly Span[]): { verdicts: GapVerdict[]; covered: Span[] } {
  const verdicts: GapVerdict[] = [];
  let known = [...arrived];
  for (const [reason, gap] of [...gaps].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const spans = merged(gap.spans);
    const { records, openFrom, samples, unnumbered } = gap;
    verdicts.push({
      reason,
      records,
      spans,
      openFrom,
      covered: countOf(subtracted(spans, known)),
      samples,
      unnumbered,
    });
    known = merged([...known, ...spans]);
  }
  const openFrom = Math.min(...[...gaps.values()].map((gap) => gap.openFrom ?? Number.POSITIVE_INFINITY));
  const end = arrived.at(-1)?.[1] ?? 0;
  return { verdicts, covered: openFrom <= end ? merged([...known, [openFrom, end]]) : known };
}

/** The highest number that a record, one of its samples or a gap record names. */
function highest({ arrived, gaps, torn }: StreamTally): number {
  let high = arrived.last;
  for (const seq of torn) high = Math.max(high, seq);
  for (const { spans, openFrom } of gaps.values()) {
    high = Math.max(high, (openFrom ?? 1) - 1);
    for (const [, to] of spans) high = Math.max(high, to);
  }
  return high;
}

/** Of an epoch that nothing but a later one's gap records tells of: 0. */
function firstAt(streams: ReadonlyMap<Stream, StreamTally>): number {
  const first = Math.min(...[...streams.values()].map((stream) => stream.firstAt));
  return Number.isFinite(first) ? first : 0;
}

/** When Kafka got the last record of an epoch before: a gateway sends what is left of an epoch before it begins the next. */
function lastBefore({ epochs }: GatewayTally, at: number): number | undefined {
  const ended = [...epochs.values()].flatMap((streams) => [...streams.values()].map(({ lastAt }) => lastAt));
  const earlier = ended.filter((lastAt) => lastAt > 0 && lastAt < at);
  return earlier.length === 0 ? undefined : Math.max(...earlier);
}
