/** What `busbar fastpath listen` prints, for people and for machines. */
import { QUALITY_WORDS } from "../../core/sample.ts";
import type { ReceivedSample, ReceiverSummary } from "./receiver.ts";

/** `12:00:01.123 meter-1 Power.Active.Import 7360 W  good  +0.4 ms`; time in UTC, as in logs. */
export function sampleText(sample: ReceivedSample): string {
  const name = sample.asset === undefined ? `#${sample.n}` : `${sample.asset} ${sample.signal}`;
  const value = sample.text ?? (sample.value === null ? "-" : String(sample.value));
  const unit = sample.unit === undefined ? "" : ` ${sample.unit}`;
  const time = new Date(sample.tUs / 1000).toISOString().slice(11, 23);
  const latency = `${sample.latencyUs < 0 ? "" : "+"}${ms(sample.latencyUs)}`;
  return `${time} ${printable(`${name} ${value}${unit}`)}  ${QUALITY_WORDS[sample.quality]}  ${latency}`;
}

/** One object; `ts` and `latency_ms` in milliseconds with fractions. */
export function sampleJson(sample: ReceivedSample): string {
  const { gateway, boot, counter, n, asset, signal, unit, value, text } = sample;
  return JSON.stringify({
    ts: sample.tUs / 1000,
    gateway,
    boot,
    counter,
    n,
    asset,
    signal,
    value,
    text,
    unit,
    quality: QUALITY_WORDS[sample.quality],
    latency_ms: sample.latencyUs / 1000,
  });
}

export function summaryText(summary: ReceiverSummary): string {
  const { datagrams, samples, lost, latency_us: latency } = summary;
  const lines = [`${datagrams} datagrams, ${samples} samples, ${lost} lost`];
  for (const boot of summary.boots) {
    lines.push(
      `  gateway ${boot.gateway} boot ${boot.boot}: ${boot.datagrams} datagrams, ${boot.samples} samples, ` +
        `${boot.lost} lost, ${boot.reordered} reordered, ${boot.duplicates} duplicates`,
    );
  }
  if (latency !== null) lines.push(`latency p50 ${ms(latency.p50)}, p99 ${ms(latency.p99)}, max ${ms(latency.max)}`);
  const refused = Object.entries(summary.refused).map(([reason, count]) => `${count} ${reason}`);
  if (refused.length > 0) lines.push(`refused: ${refused.join(", ")}`);
  return lines.join("\n");
}

export function summaryJson(summary: ReceiverSummary): string {
  const { latency_us: latency, ...counts } = summary;
  const latencyMs =
    latency === null ? null : { p50: msOf(latency.p50), p99: msOf(latency.p99), max: msOf(latency.max) };
  return JSON.stringify({ summary: { ...counts, latency_ms: latencyMs } });
}

/** To the microsecond. */
function msOf(us: number): number {
  return Math.round(us) / 1000;
}

function ms(us: number): string {
  const value = us / 1000;
  return `${value.toFixed(Math.abs(value) < 0.1 ? 2 : 1)} ms`;
}

/** Names come from the network: nothing in them may steer a terminal. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, "�");
}
