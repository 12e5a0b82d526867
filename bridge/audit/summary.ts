/** The audit's result as a whole. Pure. */
import type { Unread } from "./collect.ts";
import type { StreamVerdict } from "./judge.ts";
import { countOf } from "./spans.ts";

const MOST_TORN_TOLD = 20;

export interface Totals {
  gateways: number;
  streams: number;
  records: number;
  covered: number;
  deleted: number;
  missing: number;
  doubled: number;
}

export interface Summary {
  readonly totals: Readonly<Totals>;
  readonly topics: readonly string[];
  readonly unreadable: number;
  /** The first few of them. */
  readonly unread: readonly Unread[];
}

export function isComplete({ totals, unreadable }: Summary): boolean {
  return totals.missing === 0 && totals.doubled === 0 && unreadable === 0;
}

export function totalsOf(verdicts: readonly StreamVerdict[]): Totals {
  const totals: Totals = { gateways: 0, streams: 0, records: 0, covered: 0, deleted: 0, missing: 0, doubled: 0 };
  const gateways = new Set<string>();
  for (const { gateway, arrived, gaps, deleted, missing, doubled } of verdicts) {
    gateways.add(gateway);
    totals.streams++;
    totals.records += arrived.count;
    totals.covered += gaps.reduce((sum, { covered }) => sum + covered, 0);
    totals.deleted += countOf(deleted);
    totals.missing += countOf(missing.map(({ span }) => span));
    totals.doubled += doubled.count;
  }
  totals.gateways = gateways.size;
  return totals;
}

/** The whole as one JSON object (docs/AUDIT.md), in pieces: that of a fleet is longer than a string may be. */
export function* jsonOf(verdicts: readonly StreamVerdict[], summary: Summary): Generator<string> {
  const { totals, topics, unreadable, unread } = summary;
  const head = { format: 1, complete: isComplete(summary), topics, totals, unreadable: { count: unreadable, unread } };
  yield `${JSON.stringify(head).slice(0, -1)},"streams":[`;
  for (const [at, verdict] of verdicts.entries())
    yield `${at === 0 ? "" : ","}\n${JSON.stringify(streamJson(verdict))}`;
  yield "]}\n";
}

function streamJson(verdict: StreamVerdict) {
  const { gateway, epoch, stream, arrived, time, doubled, gaps, deleted, missing, torn } = verdict;
  return {
    gateway,
    epoch,
    stream,
    arrived: { count: arrived.count, ranges: arrived.spans },
    first_arrival: time === undefined ? null : new Date(time.first).toISOString(),
    last_arrival: time === undefined ? null : new Date(time.last).toISOString(),
    missing: { count: countOf(missing.map(({ span }) => span)), ranges: missing.map(({ span }) => span) },
    doubled: { count: doubled.count, seqs: doubled.seqs },
    torn: { count: torn.length, seqs: torn.slice(0, MOST_TORN_TOLD) },
    deleted: { count: countOf(deleted), ranges: deleted },
    gaps: gaps.map(({ reason, records, spans, openFrom, covered, samples, unnumbered }) => ({
      reason,
      records,
      ranges: spans,
      open_from: openFrom ?? null,
      covered,
      samples,
      samples_without_seq: unnumbered,
    })),
  };
}
