/** What was measured → what a record, a transaction and an idle bridge cost. Pure. */
import { median } from "../support/percentiles.ts";
import type { Measured } from "./measure.ts";

/** CPU milliseconds of the bridge: `idle` of a second, `record` and `transaction` of one. */
export interface Costs {
  readonly idle: number;
  readonly record: number;
  readonly transaction: number;
  /** Median deviation of what this tells from what was measured, as a fraction. */
  readonly error: number;
}

/**
 * Least squares of `cpu - idle × seconds = record × records + transaction × transactions`, each measurement weighted so
 * that its relative deviation counts.
 */
export function fitCosts(measured: readonly Measured[], idle: Measured | undefined): Costs {
  const idleMs = idle === undefined ? 0 : (1000 * idle.cpuMs) / idle.wallMs;
  const [sum, right] = [
    [0, 0, 0],
    [0, 0],
  ] as [[number, number, number], [number, number]];
  for (const one of measured) {
    const y = one.cpuMs - (idleMs * one.wallMs) / 1000;
    const [m, t] = [one.records / y, one.transactions / y];
    sum[0] += m * m;
    sum[1] += m * t;
    sum[2] += t * t;
    right[0] += m;
    right[1] += t;
  }
  const determinant = sum[0] * sum[2] - sum[1] * sum[1];
  const record = (right[0] * sum[2] - right[1] * sum[1]) / determinant;
  const transaction = (right[1] * sum[0] - right[0] * sum[1]) / determinant;
  const told = (one: Measured): number =>
    (idleMs * one.wallMs) / 1000 + record * one.records + transaction * one.transactions;
  const error = median(measured.map((one) => Math.abs(told(one) / one.cpuMs - 1)));
  return { idle: idleMs, record, transaction, error };
}

/** CPU milliseconds of a side process for one record, the median of the measurements. */
export function perRecord(measured: readonly Measured[], of: (one: Measured) => number): number {
  return median(measured.map((one) => of(one) / one.records));
}
