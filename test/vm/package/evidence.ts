/** What the results' files tell, as the oracle wants it. */
import { existsSync, readFileSync } from "node:fs";
import { parseRecord, plainRecord } from "../../../core/record.ts";
import { type Interval, judge, type Received, type Verdict } from "../../support/oracle.ts";
import { until } from "../../support/wait.ts";
import { note, RESULTS, SOON_MS } from "./guest.ts";
import { ASSETS, CAN_ASSETS, filesOf, type LifeFiles } from "./site.ts";

const MARKS = "ready.jsonl";
/** Between a reply or frame and its reader lie seconds here when the host is busy. */
const TOLERANCE = { lateMs: 10_000, canMs: 250, jitterMs: 5000 };
/** Publishes in which the latest record of every asset is looked for. */
const RECENT = 40;

/** To be called whenever every source of the gateway is open: from now on nothing may be missing. */
export function markReady(): void {
  note(MARKS, { ts: Date.now() });
}

/**
 * Waits until the cloud has a later record of every asset than what is served now, and judges all lives together up to
 * now: epoch and sequence numbers go on through them. The last of the lives is the present one. `starts`: of how many
 * starts of the gateway something was promised.
 */
export async function verdictOf(lives: readonly string[]): Promise<Verdict & { readonly starts: number }> {
  const now = Date.now();
  const files = lives.map(filesOf);
  const { cloud } = files.at(-1) as LifeFiles;
  await until("the cloud has what was served until now", () => isBehind(now, received(cloud)), SOON_MS);
  // What arrived is read first: all of it must be in the ledger.
  const arrived = files.flatMap((one) => received(one.cloud));
  const intervals = intervalsOf(files.flatMap(({ local }) => sessionsOf(local)));
  const verdict = judge({
    ledger: files.map(heard).join(""),
    received: arrived,
    intervals: intervals.map(({ from, until: last }) => ({ from, until: Math.min(last, now) })),
    canAssets: CAN_ASSETS,
    ownAssets: ["gateway"],
    tolerance: TOLERANCE,
  });
  return { ...verdict, starts: intervals.length };
}

/** Records of one asset arrive in the order of their samples. */
function isBehind(ts: number, arrived: readonly Received[]): boolean {
  const late = new Set(ASSETS);
  for (const { topic, payload } of arrived.slice(-RECENT)) {
    const asset = /\/data\/(.+)$/.exec(topic)?.[1];
    if (asset !== undefined && parseRecord(plainRecord(payload)).t0 > ts) late.delete(asset);
  }
  return late.size === 0;
}

/** The last `durable_until` of a life, milliseconds since 1970. */
export function durableUntil(life: string): number {
  return Math.max(0, ...sessionsOf(filesOf(life).local).flat());
}

/**
 * The ledger with the time of each frame as candump got it from the kernel: between simulator and bus lie two processes.
 * The n-th line is the n-th frame; of frames that did not get onto the bus nobody can have heard.
 */
function heard({ ledger, frames }: LifeFiles): string {
  const stamps = [...readFileSync(frames, "utf8").matchAll(/^\((\d+)\.(\d{3})\d{3}\) \S+ \S+\n/gm)];
  let frame = 0;
  const lines = wholeLines(ledger).flatMap((line) => {
    const entry = JSON.parse(line) as { asset: string };
    if (!CAN_ASSETS.includes(entry.asset)) return [line];
    const stamp = stamps[frame++];
    return stamp === undefined ? [] : [JSON.stringify({ ...entry, ts: Number(`${stamp[1]}${stamp[2]}`) })];
  });
  return lines.map((line) => `${line}\n`).join("");
}

function received(file: string): Received[] {
  return wholeLines(file).map((line) => {
    const [topic = "", hex = ""] = line.split(" ");
    return { topic, payload: Buffer.from(hex, "hex") };
  });
}

/** From when every source was open to the last `durable_until` of that life of the gateway. */
function intervalsOf(sessions: readonly number[][]): Interval[] {
  const marks = wholeLines(`${RESULTS}/${MARKS}`).map((line) => (JSON.parse(line) as { ts: number }).ts);
  let before = 0;
  return sessions.flatMap((told) => {
    const last = Math.max(...told);
    // Every start is ready before it tells its last: what comes later is the next one's.
    const from = marks.find((ts) => ts > before && ts <= last);
    before = last;
    return from === undefined ? [] : [{ from, until: last }];
  });
}

interface Told {
  readonly boot: number;
  readonly durable_until: number;
  readonly clock_jumps?: number;
}

/** `durable_until` as it was told, for each start of the gateway, since its clock was true; 0 means not known. */
function sessionsOf(file: string): number[][] {
  const boots = Map.groupBy(
    wholeLines(file).map((line) => JSON.parse(line) as Told),
    ({ boot }) => boot,
  );
  return [...boots.values()].flatMap((told) => {
    const jumps = Math.max(...told.map(({ clock_jumps: count = 0 }) => count));
    const known = told.filter((one) => (one.clock_jumps ?? 0) === jumps && one.durable_until > 0);
    return known.length === 0 ? [] : [known.map((one) => one.durable_until)];
  });
}

/** A power cut leaves a last line without an end. */
function wholeLines(file: string): string[] {
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
}
