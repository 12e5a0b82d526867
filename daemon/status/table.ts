import type { OutboxStatus } from "../../store-forward/protocol.ts";
import { formatAge, formatBytes, formatValue, printable } from "./format.ts";
import type { AssetStatus, Snapshot } from "./protocol.ts";

export interface TableOptions {
  readonly color: boolean;
}

type Tone = "plain" | "dim" | "bold" | "good" | "warn" | "bad";
/** A piece of a line in one tone. */
interface Span {
  readonly text: string;
  readonly tone: Tone;
}
type Line = readonly Span[];
interface Column {
  readonly title: string;
  /** Where the terminal is too narrow the columns with the highest rank go first. */
  readonly rank: number;
  readonly right: boolean;
  readonly cell: (asset: AssetStatus, id: string, nowMs: number) => Span;
}

const CODES: Readonly<Record<Tone, string>> = {
  plain: "",
  dim: "\x1b[2m",
  bold: "\x1b[1m",
  good: "\x1b[32m",
  warn: "\x1b[33m",
  bad: "\x1b[31m",
};
const HEALTH_TONE = { ok: "good", degraded: "warn", failed: "bad" } as const;
const NONE: Span = { text: "-", tone: "dim" };
const GAP = "  ";
const USUAL_COLUMNS = 120;
const LABEL_COLUMNS = 10;

/** The first of these that an asset has is shown: OCPP measurands for chargers, COVESA VSS paths for vehicles. */
const POWER = ["Power.Active.Import", "Power.Apparent.Import", "Vehicle.Powertrain.TractionBattery.CurrentPower"];
const ENERGY = ["Energy.Active.Import.Register", "Energy.Apparent.Import", "Energy.Active.Import.Session"];
const SOC = ["SoC", "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"];
const SPEED = ["Vehicle.Speed"];
const STATUS = ["Status"];

const COLUMNS: readonly Column[] = [
  { title: "ASSET", rank: 0, right: false, cell: (_asset, id) => ({ text: printable(id), tone: "bold" }) },
  { title: "KIND", rank: 6, right: false, cell: (asset) => ({ text: asset.kind, tone: "dim" }) },
  { title: "STATUS", rank: 1, right: false, cell: statusCell },
  { title: "POWER", rank: 2, right: true, cell: valueCell(POWER) },
  { title: "ENERGY", rank: 4, right: true, cell: valueCell(ENERGY) },
  { title: "SOC", rank: 3, right: true, cell: valueCell(SOC) },
  { title: "SPEED", rank: 5, right: true, cell: valueCell(SPEED) },
  { title: "NEWEST", rank: 1, right: true, cell: newestCell },
];

/** How wide to write: a pipe has no width, and a serial console says 0. */
export function columnsOf({ columns }: { readonly columns?: number }): number {
  return columns === undefined || columns === 0 ? USUAL_COLUMNS : columns;
}

/**
 * A snapshot as text for a terminal of `columns` characters: gateway, uplink, outbox, sources with problems, assets.
 * Sentences go on in the next line, for what they end with is the remedy; rows of the table are cut. Text from buses
 * cannot steer the terminal.
 */
export function renderTable(snapshot: Snapshot, columns: number, options: TableOptions = { color: false }): string {
  const told = [...uplinkLines(snapshot), ...outboxLines(snapshot), ...sourceLines(snapshot)];
  const lines = [
    titleLine(snapshot),
    ...told.flatMap((line) => wrapped(line, columns)),
    [],
    ...assetLines(snapshot, columns),
  ];
  return `${lines.map((line) => paint(line, columns, options.color)).join("\n")}\n`;
}

function titleLine({ gateway, software, uptime_s, health }: Snapshot): Line {
  return [
    { text: printable(gateway), tone: "bold" },
    { text: `${GAP}${printable(software)}${GAP}up ${formatAge(uptime_s * 1000)}${GAP}`, tone: "dim" },
    { text: health.status, tone: HEALTH_TONE[health.status] },
  ];
}

function uplinkLines({ uplink, ts }: Snapshot): Line[] {
  if (uplink === undefined) return [labelled("uplink", { text: "not started", tone: "warn" })];
  const tone = uplink.state === "up" ? "good" : uplink.state === "refused" ? "bad" : "warn";
  const version = uplink.protocol === undefined ? "" : ` (MQTT ${uplink.protocol})`;
  const text = `${GAP}${printable(uplink.url)}${version}, for ${formatAge(ts - uplink.since)}, ${uplink.records_acked} records acknowledged`;
  const lines: Line[] = [[...labelled("uplink", { text: uplink.state, tone }), { text, tone: "plain" }]];
  const { traffic } = uplink;
  if (traffic !== undefined) {
    lines.push(labelled("", { text: `${formatBytes(traffic.bytes)} sent in ${traffic.month}`, tone: "dim" }));
  }
  if (uplink.error !== undefined) lines.push(labelled("", { text: printable(uplink.error), tone }));
  if (uplink.warning !== undefined) lines.push(labelled("", { text: printable(uplink.warning), tone: "warn" }));
  return lines;
}

function outboxLines({ outbox, ts }: Snapshot): Line[] {
  if (outbox === undefined) return [labelled("outbox", { text: "not open", tone: "warn" })];
  const waiting =
    outbox.waiting === 0
      ? "nothing waits"
      : `${outbox.waiting === 1 ? "1 record waits" : `${outbox.waiting} records wait`}, oldest ${formatAge(outbox.oldest_age_s * 1000)}`;
  const durable = outbox.durable_until === 0 ? "" : `, on disk up to ${formatAge(ts - outbox.durable_until)} ago`;
  const text = `${GAP}${formatBytes(outbox.bytes)} of ${formatBytes(outbox.max_bytes)}, ${waiting}${durable}`;
  const tone = outbox.state === "ok" ? "good" : "bad";
  const lines: Line[] = [[...labelled("outbox", { text: outbox.state, tone }), { text, tone: "plain" }]];
  if (outbox.error !== undefined) lines.push(labelled("", { text: printable(outbox.error), tone }));
  for (const text of outboxNotes(outbox)) lines.push(labelled("", { text: printable(text), tone: "dim" }));
  const drops = Object.entries(outbox.drops).filter(([, samples]) => samples > 0);
  if (drops.length > 0) {
    const told = drops.map(([reason, samples]) => `${samples} (${reason})`).join(", ");
    lines.push(labelled("", { text: `samples dropped: ${told}`, tone: "bad" }));
  }
  return lines;
}

/** What a technician asks for when the figures above do not explain themselves. */
function outboxNotes(outbox: OutboxStatus): string[] {
  const { written_today_bytes: written, daily_writes_bytes: allowed, stretched_commit_interval_ms: stretched } = outbox;
  const budget = allowed === undefined ? "" : ` of ${formatBytes(allowed)}`;
  const slower = stretched === undefined ? "" : `; samples are committed every ${formatAge(stretched)} to keep to it`;
  const { salvage, renewing, clock_jumps: jumps = 0 } = outbox;
  return [
    ...(written === undefined ? [] : [`${formatBytes(written)}${budget} written to disk today${slower}`]),
    ...(jumps === 0 ? [] : [`the clock jumped ${jumps === 1 ? "once" : `${jumps} times`} since the start`]),
    ...(salvage === undefined ? [] : [`taking over what ${salvage.file} holds: ${salvage.records} records so far`]),
    ...(renewing ? ["what waits is being given new numbers: the cloud knows the old ones"] : []),
  ];
}

function sourceLines({ sources, problems, fast_path }: Snapshot): Line[] {
  const lines: Line[] = problems.map((text) => labelled("problem", { text: printable(text), tone: "warn" }));
  if (fast_path.error !== undefined)
    lines.push(labelled("fastpath", { text: printable(fast_path.error), tone: "warn" }));
  for (const source of sources) {
    const broken = source.devices.filter((device) => device.error !== undefined);
    if (source.state === "up" && broken.length === 0 && source.lost === 0) continue;
    const tone = source.state === "down" ? "bad" : "warn";
    const why = source.error === undefined ? "" : `${GAP}${printable(source.error)}`;
    const lost = source.lost === 0 ? "" : `, ${source.lost} frames lost`;
    lines.push([
      ...labelled("source", { text: `${printable(source.id)} ${source.state}${lost}`, tone }),
      { text: why, tone: "plain" },
    ]);
    // A line that is down is so for its devices, and says why once.
    const own = broken.filter(({ error }) => error !== source.error);
    const others = broken.filter((device) => !own.includes(device)).map(({ asset }) => asset);
    if (others.length > 0)
      lines.push(labelled("", { text: printable(`devices: ${others.join(", ")}`), tone: "plain" }));
    for (const { asset, error } of own)
      lines.push(labelled("", { text: printable(`${asset}: ${error}`), tone: "plain" }));
  }
  return lines;
}

function assetLines({ assets, ts }: Snapshot, width: number): Line[] {
  const rows = Object.entries(assets).map(([id, asset]) => COLUMNS.map((column) => column.cell(asset, id, ts)));
  const widths = COLUMNS.map((column, at) => Math.max(column.title.length, ...rows.map((row) => textLength(row[at]))));
  // A column that nobody fills says nothing.
  let shown = COLUMNS.map((_, at) => at).filter(
    (at) => COLUMNS[at]?.rank === 0 || rows.some((row) => row[at] !== NONE),
  );
  while (shown.length > 1 && total(shown, widths) > width) shown = withoutHighestRank(shown);
  const titles = COLUMNS.map(({ title }): Span => ({ text: title, tone: "dim" }));
  return [titles, ...rows].map((row) =>
    shown.flatMap((at, position): Span[] => {
      const span = row[at] ?? NONE;
      const fill = " ".repeat(Math.max(0, (widths[at] ?? 0) - textLength(span)));
      const text = COLUMNS[at]?.right ? fill + span.text : span.text + fill;
      return [
        { text: position === 0 ? "" : GAP, tone: "plain" },
        { text, tone: span.tone },
      ];
    }),
  );
}

function withoutHighestRank(shown: readonly number[]): number[] {
  const highest = Math.max(...shown.map((at) => COLUMNS[at]?.rank ?? 0));
  const last = shown.findLastIndex((at) => COLUMNS[at]?.rank === highest);
  return shown.filter((_, position) => position !== last);
}

function total(shown: readonly number[], widths: readonly number[]): number {
  return shown.reduce((sum, at) => sum + (widths[at] ?? 0), GAP.length * (shown.length - 1));
}

function statusCell(asset: AssetStatus): Span {
  if (!asset.available) return { text: "offline", tone: "bad" };
  const status = STATUS.map((name) => asset.values[name]).find((value) => value !== undefined);
  if (status === undefined) return { text: "online", tone: "good" };
  return { text: formatValue(status.v, undefined), tone: status.q === "good" ? "good" : "warn" };
}

function valueCell(names: readonly string[]): Column["cell"] {
  return (asset) => {
    const value = names.map((name) => asset.values[name]).find((found) => found !== undefined);
    if (value === undefined) return NONE;
    return { text: formatValue(value.v, value.u), tone: value.q === "good" ? "plain" : "warn" };
  };
}

function newestCell(asset: AssetStatus, _id: string, nowMs: number): Span {
  const values = Object.values(asset.values);
  if (values.length === 0) return NONE;
  const worst = values.some(({ q }) => q === "bad") ? "bad" : values.some(({ q }) => q === "stale") ? "stale" : "good";
  return { text: `${worst} ${formatAge(nowMs - asset.ts)}`, tone: worst === "good" ? "dim" : "warn" };
}

function labelled(label: string, span: Span): Line {
  return [{ text: label.padEnd(LABEL_COLUMNS), tone: "dim" }, span];
}

/** A labelled line as lines of at most `columns` characters, broken between words where that is possible. */
function wrapped(line: Line, columns: number): Line[] {
  let current: Span[] = [];
  const lines = [current];
  let used = 0;
  for (const { text, tone } of line) {
    for (const word of text.split(/(?<=\s)(?=\S)/)) {
      const fits = used <= LABEL_COLUMNS || used + [...word.trimEnd()].length <= columns;
      if (!fits) {
        const last = current.pop();
        if (last !== undefined) current.push({ ...last, text: last.text.trimEnd() });
        current = [{ text: " ".repeat(LABEL_COLUMNS), tone: "plain" }];
        lines.push(current);
        used = LABEL_COLUMNS;
      }
      const before = current.at(-1);
      if (before?.tone === tone && used > LABEL_COLUMNS) current.splice(-1, 1, { text: before.text + word, tone });
      else current.push({ text: word, tone });
      used += [...word].length;
    }
  }
  return lines;
}

function textLength(span: Span | undefined): number {
  return [...(span?.text ?? "")].length;
}

function paint(line: Line, columns: number, color: boolean): string {
  let room = columns;
  let out = "";
  for (const { text, tone } of line) {
    const letters = [...text];
    const cut =
      letters.length <= room ? text : `${letters.slice(0, Math.max(0, room - 1)).join("")}${room > 0 ? "…" : ""}`;
    room = letters.length <= room ? room - letters.length : 0;
    const code = color && cut !== "" ? CODES[tone] : "";
    out += code === "" ? cut : `${code}${cut}\x1b[0m`;
  }
  return color ? out : out.trimEnd();
}
