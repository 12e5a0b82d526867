import { parseRecord } from "../../core/record.ts";
import type { Span } from "./rows.ts";

/** Samples of a data record and the range of their times; undefined for any other record. */
export function spanOfRecord(plain: Buffer): Span | undefined {
  const record = parseRecord(plain);
  if (record.g === undefined) return undefined;
  let samples = 0;
  let t1 = record.t0;
  for (const { t, s } of record.g) {
    samples += t.length * Object.keys(s).length;
    t1 = Math.max(
      t1,
      t.reduce((ms, delta) => ms + delta, record.t0),
    );
  }
  return { samples, t0: record.t0, t1 };
}
