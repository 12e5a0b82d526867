/** Option `values: sample`: one JSON object per sample, for readers that want rows. */
import type { BusbarRecord, Group } from "../core/record.ts";

/** Of one record's rows: a long name of a signal stands in each. */
const MAX_ROWS_LENGTH = 16 * 1024 ** 2;
const QUALITY: Readonly<Record<string, string>> = { g: "good", s: "stale", b: "bad" };

/**
 * `{"gw","asset","signal","ts","v","q"}` per sample, in the record's order; `ts` in milliseconds since 1970. A record
 * without samples is one value without a signal, so that its number does not go missing. Undefined when `g` is not as
 * the format has it (a checksum that holds does not mean that the sender knows the format), or would be too many bytes.
 */
export function samplesOf({ gw, asset, t0, sync, g }: BusbarRecord): string[] | undefined {
  if (!Array.isArray(g)) return undefined;
  const rows: string[] = [];
  let length = 0;
  const head = { gw, asset, ...(sync ? {} : { sync }) };
  for (const group of g as Partial<Group>[]) {
    const { t, s, q = {} } = group ?? {};
    if (!Array.isArray(t) || !t.every(Number.isSafeInteger) || typeof s !== "object" || s === null) return undefined;
    const times = timesOf(t0, t);
    for (const [signal, values] of Object.entries(s)) {
      if (!Array.isArray(values) || values.length !== t.length || !values.every(isValue)) return undefined;
      for (const [at, v] of values.entries()) {
        const row = JSON.stringify({ ...head, signal, ts: times[at], v, q: QUALITY[q?.[signal]?.[at] ?? "g"] });
        length += row.length;
        if (length > MAX_ROWS_LENGTH) return undefined;
        rows.push(row);
      }
    }
  }
  return rows.length > 0 ? rows : [JSON.stringify({ ...head, ts: t0 })];
}

/** A number, string, boolean or null; what is nested has no end. */
function isValue(value: unknown): boolean {
  return typeof value !== "object" || value === null;
}

/** The first relative to t0, each next to the one before. */
function timesOf(t0: number, steps: readonly number[]): number[] {
  let time = t0;
  return steps.map((step) => {
    time += step;
    return time;
  });
}
