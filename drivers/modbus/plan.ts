/** Which registers are read in which requests. Pure. */
import type { RegisterSignal, Span } from "./profile.ts";

/** One request: a span, and the signals that it is for. Whatever else lies in it is read along. */
export interface Block extends Span {
  readonly signals: readonly RegisterSignal[];
}

export interface PlanLimits {
  readonly maxWords: number;
  readonly maxHole: number;
}

export interface PlanObstacles {
  /** Registers that the device refuses: no request may touch them. */
  readonly refused: readonly Span[];
  /** Places (`breakKey`) that no request may span: a merged one was refused although both sides are readable. */
  readonly breaks: ReadonlySet<string>;
}

export const NO_OBSTACLES: PlanObstacles = { refused: [], breaks: new Set() };

/** Few requests for many signals: neighbours are read together, over holes of up to `maxHole` registers. */
export function planBlocks(
  signals: readonly RegisterSignal[],
  limits: PlanLimits,
  obstacles: PlanObstacles = NO_OBSTACLES,
): Block[] {
  const sorted = signals.toSorted((a, b) => a.fc - b.fc || a.at - b.at || b.words - a.words);
  const groups: RegisterSignal[][] = [];
  for (const signal of sorted) {
    const group = groups.at(-1);
    if (group !== undefined && joins(group, signal, limits, obstacles)) group.push(signal);
    else groups.push([signal]);
  }
  return groups.map(blockOf);
}

/** The same signals in two requests, in every way there is, the most even first; none for a single place. */
export function splitsOf(block: Block): (readonly [Block, Block])[] {
  const middle = block.at + block.words / 2;
  return block.signals
    .map((signal, i) => ({ i, at: signal.at }))
    .filter(({ i, at }) => i > 0 && at >= endOf(block.signals.slice(0, i)))
    .toSorted((a, b) => Math.abs(a.at - middle) - Math.abs(b.at - middle))
    .map(({ i }) => [blockOf(block.signals.slice(0, i)), blockOf(block.signals.slice(i))] as const);
}

/** The place before a block, for `PlanObstacles.breaks`. */
export function breakKey(span: Span): string {
  return `${span.fc}:${span.at}`;
}

/** The signals that lie wholly inside a span, whichever group they belong to. */
export function signalsInside(signals: readonly RegisterSignal[], span: Span): RegisterSignal[] {
  return signals.filter(
    (signal) => signal.fc === span.fc && signal.at >= span.at && signal.at + signal.words <= span.at + span.words,
  );
}

export function blockOf(signals: readonly RegisterSignal[]): Block {
  const first = signals[0];
  if (first === undefined) throw new RangeError("a block has at least one signal");
  return { fc: first.fc, at: first.at, words: endOf(signals) - first.at, signals };
}

function joins(
  group: readonly RegisterSignal[],
  signal: RegisterSignal,
  limits: PlanLimits,
  obstacles: PlanObstacles,
): boolean {
  const { fc, at } = blockOf(group);
  const end = endOf(group);
  const words = Math.max(end, signal.at + signal.words) - at;
  if (signal.fc !== fc || signal.at - end > limits.maxHole || words > limits.maxWords) return false;
  if (signal.at >= end && obstacles.breaks.has(breakKey(signal))) return false;
  return !obstacles.refused.some((span) => span.fc === fc && span.at < at + words && span.at + span.words > at);
}

function endOf(signals: readonly RegisterSignal[]): number {
  return Math.max(...signals.map((signal) => signal.at + signal.words));
}
