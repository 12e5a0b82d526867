/** What the examples take on their command lines. */

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30s`, `15m`, `24h`, `7d` → milliseconds. Throws Error naming the option. */
export function durationMs(option: string, text: string): number {
  const [, count, unit] = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text) ?? [];
  const unitMs = UNITS_MS[unit ?? ""];
  if (unitMs === undefined) throw new Error(`${option} ${text}: is no duration; allowed: 30s, 15m, 24h, 7d`);
  return Number(count) * unitMs;
}

/** A time such as 2026-11-20T00:00:00Z, or a duration before now. Throws Error naming the option. */
export function timeMs(option: string, text: string, nowMs: number): number {
  if (/^\d{4}-\d\d-\d\d/.test(text)) {
    const t = Date.parse(text);
    if (!Number.isNaN(t)) return t;
  }
  return nowMs - durationMs(option, text);
}

/** `host:port,host:port`. Throws Error where there is none. */
export function brokersIn(text: string | undefined): string[] {
  const brokers = (text ?? "").split(",").filter((one) => /^[^:]+:\d+$/.test(one));
  if (brokers.length === 0) throw new Error("--brokers is missing or wrong; allowed: host:port,host:port");
  return brokers;
}

/** Ends the process with 1 and one line on what is wrong. */
export function fail(name: string, error: unknown): never {
  process.stderr.write(`${name}: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
