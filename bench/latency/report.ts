/** What was measured, as the text that goes into bench/RESULTS.md. */
import { median, type Spread, spreadOf } from "../support/percentiles.ts";
import { markdownTable } from "../support/table.ts";
import type { Sent } from "./bus.ts";
import { C, GATEWAY, NODE, SLOW_FSYNC_MS } from "./variants.ts";

/** DESIGN §7: p99.9 from driver to receiver, with full bus load, storage and drain running. */
const LIMIT_P999_US = 10_000;

/** A tenth of a core: beyond that, the tail is that of the machine as much as of what is measured. */
const QUIET_CORES = 0.1;

/** One variant in one round. */
export interface Measured {
  readonly variant: string;
  readonly rate: number;
  readonly round: number;
  readonly sent: Sent;
  readonly latenciesUs: Float64Array;
  /** Cores that other processes of the machine kept busy meanwhile. */
  readonly othersCores: number;
  readonly slowFsyncs?: number;
}

export interface Circumstances {
  readonly rounds: number;
  readonly measureMs: number;
  readonly rates: readonly number[];
  readonly notes: readonly string[];
}

export function report(measured: readonly Measured[], { rounds, measureMs, rates, notes }: Circumstances): string {
  const parts = [
    "### Latency from the bus to a receiver of the fast path",
    `${rounds} interleaved rounds of ${measureMs / 1000} s for each rate; every frame is profiled and makes one datagram. ` +
      `Ratios compare with the bare forwarder of the same round: the median of the rounds. Times in milliseconds. ` +
      "`others`: cores that processes which have no part in this kept busy meanwhile, the median of the rounds.",
    ...rates.map((rate) => table(measured, rate)),
    [...verdicts(measured), ...notes.map((note) => `- ${note}.`)].join("\n"),
  ];
  return parts.join("\n\n");
}

function table(measured: readonly Measured[], rate: number): string {
  const ofRate = measured.filter((one) => one.rate === rate);
  const names = [...new Set(ofRate.map((one) => one.variant))].sort(byOrder);
  const rows = names.map((name) => {
    const rounds = ofRate.filter((one) => one.variant === name);
    const frames = rounds.reduce((sum, { sent }) => sum + sent.frames, 0);
    const all = spreadOf(together(rounds));
    const ratios = [ratio(ofRate, name, C, "p50"), ratio(ofRate, name, NODE, "p50"), ratio(ofRate, name, NODE, "p99")];
    const times = [all.p50, all.p99, all.p999, all.max].map((us) => (us / 1000).toFixed(2));
    const others = median(rounds.map((one) => one.othersCores)).toFixed(2);
    return [name, String(frames), String(frames - all.count), ...times, ...ratios, others];
  });
  const head = ["", "frames", "lost", "p50", "p99", "p99.9", "max", "p50 ÷ C", "p50 ÷ Node", "p99 ÷ Node", "others"];
  return `#### ${rate} frames/s\n\n${markdownTable(head, rows)}`;
}

function verdicts(measured: readonly Measured[]): string[] {
  const lines: string[] = [];
  for (const name of new Set(measured.map((one) => one.variant))) {
    if (!name.startsWith(GATEWAY)) continue;
    const rounds = measured.filter((one) => one.variant === name);
    const worst = Math.max(...rounds.map(({ latenciesUs }) => spreadOf(latenciesUs).p999));
    const held = worst < LIMIT_P999_US ? "held" : "NOT held";
    const fsyncs = rounds.reduce((sum, { slowFsyncs = 0 }) => sum + slowFsyncs, 0);
    const slow = rounds.some(({ slowFsyncs }) => slowFsyncs !== undefined);
    const disk = slow ? `; ${fsyncs} calls of fsync and fdatasync took ${SLOW_FSYNC_MS} ms longer` : "";
    const limitMs = LIMIT_P999_US / 1000;
    lines.push(
      `- ${name}: worst p99.9 of any round ${(worst / 1000).toFixed(2)} ms, limit ${limitMs} ms: ${held}${disk}.`,
    );
  }
  const blocked = measured.reduce((sum, { sent }) => sum + sent.blocked, 0);
  if (blocked > 0) lines.push(`- ${blocked} frames waited for a reader whose socket was full.`);
  const others = median(measured.map((one) => one.othersCores));
  if (others > QUIET_CORES) {
    lines.push(
      `- The machine was not quiet: other processes kept ${others.toFixed(2)} cores busy. Medians bear that; p99.9 and ` +
        "max are then those of the scheduler too, as the bare forwarders' show.",
    );
  }
  return lines;
}

function ratio(ofRate: readonly Measured[], name: string, base: string, key: keyof Spread): string {
  const ratios: number[] = [];
  for (const one of ofRate) {
    const other = ofRate.find(({ variant, round }) => variant === base && round === one.round);
    if (one.variant !== name || other === undefined) continue;
    ratios.push(spreadOf(one.latenciesUs)[key] / spreadOf(other.latenciesUs)[key]);
  }
  return ratios.length === 0 ? "-" : median(ratios).toFixed(2);
}

function together(rounds: readonly Measured[]): Float64Array {
  const all = new Float64Array(rounds.reduce((sum, { latenciesUs }) => sum + latenciesUs.length, 0));
  let at = 0;
  for (const { latenciesUs } of rounds) {
    all.set(latenciesUs, at);
    at += latenciesUs.length;
  }
  return all;
}

function byOrder(a: string, b: string): number {
  const order = (name: string): number => [C, NODE, GATEWAY].indexOf(name) >>> 0;
  return order(a) - order(b);
}
