/** The audit's result for people. */
import type { Stream } from "../../core/record.ts";
import type { StreamVerdict } from "./judge.ts";
import { countOf, merged, type Span } from "./spans.ts";
import type { Summary } from "./summary.ts";

const MOST_SPANS = 8;
/** So many lines are read; of a fleet only what is worth reading is shown. */
const MOST_LINES = 40;
const NAMES: Readonly<Record<Stream, string>> = { c: "critical", t: "telemetry", b: "bulk" };
const HEAD = ["gateway", "epoch", "stream", "records", "seq", "in gaps", "deleted", "missing", "doubled"] as const;

/** With `all` a line for every stream, otherwise, of a fleet, for those with something to tell. */
export function* textOf(verdicts: readonly StreamVerdict[], summary: Summary, all: boolean): Generator<string> {
  const notes = new Map(verdicts.map((verdict) => [verdict, notesOf(verdict)]));
  const shown =
    all || verdicts.length <= MOST_LINES ? verdicts : verdicts.filter((verdict) => notes.get(verdict)?.length !== 0);
  if (shown.length > 0) yield `${tableOf(shown)}\n`;
  const rest = verdicts.length - shown.length;
  if (rest > 0) yield `${plural(rest, "further stream")} complete (--all shows every one)\n\n`;
  for (const verdict of shown) for (const note of notes.get(verdict) ?? []) yield `${note}\n`;
  yield summaryText(summary);
}

/** A line per stream. */
function tableOf(verdicts: readonly StreamVerdict[]): string {
  const rows = [HEAD, ...verdicts.map(row)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((cells) => (cells[column] as string).length)));
  const lines = rows.map((cells) => {
    // Text to the left, numbers to the right.
    return cells.map((cell, i) => (i < 3 || i === 4 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)));
  });
  return lines.map((cells) => `${cells.join("  ").trimEnd()}\n`).join("");
}

function row(verdict: StreamVerdict): string[] {
  const { gateway, epoch, stream, arrived, gaps, deleted, missing, doubled } = verdict;
  const from = arrived.spans[0]?.[0];
  const seqs = from === undefined ? "none" : `${from}–${arrived.spans.at(-1)?.[1]}`;
  const covered = gaps.reduce((sum, gap) => sum + gap.covered, 0);
  const lost = countOf(missing.map(({ span }) => span));
  const counts = [covered, countOf(deleted), lost, doubled.count].map((count) => (count === 0 ? "–" : grouped(count)));
  return [gateway, epoch, NAMES[stream], grouped(arrived.count), seqs, ...counts];
}

/** What a stream's line cannot tell: a line for each finding, none where all is well. */
function notesOf(verdict: StreamVerdict): string[] {
  const { gateway, epoch, stream, missing, doubled, gaps, deleted, time, torn } = verdict;
  const which = `${gateway} ${epoch} ${NAMES[stream]}`;
  const notes: string[] = [];
  for (const { span, after } of missing.slice(0, MOST_SPANS)) {
    const since = after === undefined ? "before all that arrived" : `after ${timeText(after)}`;
    notes.push(`MISSING  ${which}: ${spanText(span)}, ${since}`);
  }
  const more = missing.slice(MOST_SPANS).map(({ span }) => span);
  if (more.length > 0)
    notes.push(`MISSING  ${which}: ${more.length} further ranges, ${plural(countOf(more), "record")}`);
  if (torn.length > 0) {
    const numbers = spansText(merged(torn.map((seq) => [seq, seq])));
    notes.push(`TORN     ${which}: ${numbers}: some of their samples arrived, not all`);
  }
  if (doubled.count > 0) {
    const some = doubled.count > doubled.seqs.length ? ", …" : "";
    notes.push(`DOUBLED  ${which}: ${plural(doubled.count, "record")} too many: seq ${doubled.seqs.join(", ")}${some}`);
  }
  for (const gap of gaps) notes.push(`gap      ${which}: ${gapText(gap)}`);
  if (deleted.length > 0) {
    const kept = time === undefined ? "none are left" : `those that are left begin ${timeText(time.first)}`;
    notes.push(`deleted  ${which}: ${spansText(deleted)}, by Kafka's retention; ${kept}`);
  }
  return notes;
}

function gapText({ reason, spans, openFrom, samples, unnumbered }: StreamVerdict["gaps"][number]): string {
  const parts = [
    ...(spans.length > 0 ? [spansText(spans)] : []),
    ...(openFrom === undefined ? [] : [`${openFrom} to the end`]),
    ...(unnumbered > 0 ? [`${plural(unnumbered, "sample")} before they had a number`] : []),
  ];
  const told = samples > unnumbered ? `, ${plural(samples, "sample")} in all` : "";
  return `${reason}: ${parts.join(", ")}${told}`;
}

/** The last lines: what was read, and the verdict. */
function summaryText({ totals, topics, unreadable, unread }: Summary): string {
  const lines = unread.map(({ topic, partition, offset, why }) => {
    return `UNREADABLE  ${topic}, partition ${partition}, offset ${offset}: ${why}`;
  });
  if (unreadable > unread.length) lines.push(`UNREADABLE  ${unreadable - unread.length} more`);
  const read = `${plural(totals.records, "record")} of ${plural(totals.gateways, "gateway")}`;
  lines.push(`read ${read} in ${topics.join(", ")}; ${plural(totals.streams, "stream")} judged`);
  const told = `${grouped(totals.covered)} in gaps, ${grouped(totals.deleted)} deleted by Kafka's retention`;
  const bad = [
    ...(totals.missing > 0 ? [`${grouped(totals.missing)} missing`] : []),
    ...(totals.doubled > 0 ? [`${grouped(totals.doubled)} doubled`] : []),
    ...(unreadable > 0 ? [`${grouped(unreadable)} unreadable`] : []),
  ];
  const verdict = bad.length === 0 ? "complete: nothing missing, nothing doubled" : `NOT COMPLETE: ${bad.join(", ")}`;
  return `${[...lines, `${verdict} (${told})`].join("\n")}\n`;
}

function spansText(spans: readonly Span[]): string {
  const shown = spans.slice(0, MOST_SPANS).map(spanText).join(", ");
  return spans.length > MOST_SPANS ? `${shown}, … ${spans.length - MOST_SPANS} more` : shown;
}

function spanText([from, to]: Span): string {
  return from === to ? String(from) : `${from}–${to}`;
}

function plural(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;
}

function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
