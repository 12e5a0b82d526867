/** What is wanted, what was measured, and whether that is enough. */
import { markdownTable } from "../support/table.ts";

export interface Goal {
  readonly what: string;
  readonly goal: string;
  readonly measured: string;
  readonly met: boolean;
}

/** A part's text, and the goals that it tells of. */
export interface Report {
  readonly text: string;
  readonly goals: readonly Goal[];
}

interface Bound {
  readonly what: string;
  readonly measured: number;
  readonly limit: number;
  readonly show: (value: number) => string;
}

export function atLeast({ what, measured, limit, show }: Bound): Goal {
  return { what, goal: `≥ ${show(limit)}`, measured: show(measured), met: measured >= limit };
}

export function atMost({ what, measured, limit, show }: Bound): Goal {
  return { what, goal: `≤ ${show(limit)}`, measured: show(measured), met: measured <= limit };
}

export function reportGoals(goals: readonly Goal[]): string {
  const rows = goals.map(({ what, goal, measured, met }) => [what, goal, measured, met ? "met" : "NOT met"]);
  return ["### Goals", markdownTable(["", "goal", "measured", ""], rows)].join("\n\n");
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

export function percent(ratio: number): string {
  return `${(100 * ratio).toFixed(ratio < 0.1 ? 1 : 0)} %`;
}
