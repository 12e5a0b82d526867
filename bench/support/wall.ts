import { performance } from "node:perf_hooks";

const EDGES = 5;

/**
 * A wall clock in microseconds that processes of one machine agree on. Date.now() has whole milliseconds, and Node's
 * time origin may be off by as much: the offset is taken where Date.now() ticks over, the best of a few times.
 */
export function wallClockUs(): () => number {
  let offsetMs = Number.NEGATIVE_INFINITY;
  for (let edge = 0; edge < EDGES; edge++) {
    const before = Date.now();
    let now = before;
    while (now === before) now = Date.now();
    // A preemption before the second reading makes the offset smaller, never larger than true: the largest is best.
    offsetMs = Math.max(offsetMs, now - performance.now());
  }
  return () => Math.round((performance.now() + offsetMs) * 1000);
}
