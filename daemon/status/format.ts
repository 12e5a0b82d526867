/** Numbers and times as people read them. */

/** Control and direction characters: values come from buses and must not steer a terminal. */
const UNPRINTABLE = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;
/** Units that get a prefix from a thousand on. */
const PREFIXED = new Set(["W", "Wh", "VA", "VAh", "var", "varh"]);
const KIB = 1024;

/** Text from outside, safe to print: control and direction characters become `?`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, "?");
}

/** `7.36 kW`, `230.1 V`, `12.3 %` (of a ratio), `Charging`, `-` for null. */
export function formatValue(value: number | string | boolean | null | undefined, unit: string | undefined): string {
  if (value === null || value === undefined) return "-";
  if (typeof value !== "number") return printable(String(value));
  if (unit === undefined) return plain(value);
  if (unit === "1") return `${plain(value * 100)} %`;
  if (unit === "By") return formatBytes(value);
  if (PREFIXED.has(unit) && Math.abs(value) >= 1000) return `${(value / 1000).toFixed(2)} k${unit}`;
  return `${plain(value)} ${unit === "percent" ? "%" : printable(unit)}`;
}

/** `1.2 MiB` */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let at = 0;
  for (; value >= KIB && at < units.length - 1; at++) value /= KIB;
  return `${at === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[at]}`;
}

/** `0 s`, `59 s`, `12 min`, `3 h 5 min`, `4 d 2 h` of milliseconds; never negative. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (seconds < 60) return `${seconds} s`;
  if (minutes < 60) return `${minutes} min`;
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return hours % 24 === 0 ? `${hours / 24} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** At most three decimals, without trailing zeros. */
function plain(value: number): string {
  return String(Number(value.toFixed(3)));
}
