/** Opens what a power cut left with the real outbox and compares it with what had been told. */
import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { type LogEntry, Logger } from "../../core/log.ts";
import { type BusbarRecord, parseRecord, STREAMS } from "../../core/record.ts";
import { birthIdOf } from "../../core/signals.ts";
import { bootFileOf, readBootFile } from "../../store-forward/boot.ts";
import { hardwareHash } from "../../store-forward/outbox/hardware.ts";
import { Outbox } from "../../store-forward/outbox/outbox.ts";
import { all, BIRTH, GATEWAY, MIB } from "../store-forward/outbox/support.ts";
import type { Known } from "./known.ts";
import { idOf, numbersIn, sumOf } from "./record-tap.ts";

export const PROMISED = ["boot", "opening", "sent", "sequence", "durable", "once"] as const;
/** Boot number, boot file and epoch; an outbox that opens; sent records; numbers without holes; durable samples; no doubles. */
export type Promised = (typeof PROMISED)[number];
export interface Problem {
  readonly promised: Promised;
  readonly text: string;
}

const OPEN_LIMIT_MS = 5000;
const PAGE = 64;

interface Found {
  /** By identity. */
  readonly records: Map<string, { readonly record: BusbarRecord; readonly sum: string }>;
  readonly problems: Problem[];
}

/** What does not hold, in words; empty when every promise was kept. `path` is the store's. */
export function check(path: string, known: Known): Problem[] {
  const found: Found = { records: new Map(), problems: known.broken.map((text) => ({ promised: "sent", text })) };
  checkBootFile(path, known, found);
  open(path, known, found);
  checkSent(known, found);
  checkSequence(found, known);
  checkNumbers(known, found);
  return found.problems;
}

function checkBootFile(path: string, known: Known, { problems }: Found): void {
  if (known.boot === 0) return;
  const kept = readBootFile(bootFileOf(path));
  if (kept === undefined)
    problems.push({ promised: "boot", text: `boot ${known.boot} was told and the boot file is gone or garbage` });
  else if (kept.boot < known.boot)
    problems.push({ promised: "boot", text: `boot ${known.boot} was told and the boot file says ${kept.boot}` });
  else if (kept.epoch !== known.epoch)
    problems.push({ promised: "boot", text: `epoch ${known.epoch}: the boot file says ${kept.epoch}` });
}

function open(path: string, known: Known, { records, problems }: Found): void {
  const logs: LogEntry[] = [];
  const outbox = new Outbox({
    path,
    gateway: GATEWAY,
    birth: BIRTH,
    birthId: birthIdOf(BIRTH),
    budget: { maxBytes: 64 * MIB, minFreeBytes: 0 },
    publishIntervalMs: 250,
    synced: true,
    clock: { monoMs: () => performance.now(), wallMs: () => Date.now() },
    log: new Logger("outbox", (entry) => logs.push(entry)),
    hardware: hardwareHash(GATEWAY),
  });
  const startedMs = performance.now();
  try {
    outbox.open();
    const openMs = performance.now() - startedMs;
    if (openMs > OPEN_LIMIT_MS) problems.push({ promised: "opening", text: `opening took ${Math.round(openMs)} ms` });
    outbox.commit({ seal: true });
    for (const { plain } of STREAMS.flatMap((stream) => all(outbox, stream, PAGE))) {
      const record = parseRecord(plain);
      records.set(idOf(record), { record, sum: sumOf(plain) });
    }
    const { state, error = "", boot, epoch } = outbox.status();
    if (state !== "ok" || error !== "") problems.push({ promised: "opening", text: `outbox is ${state}: ${error}` });
    if (boot <= known.boot) problems.push({ promised: "boot", text: `boot ${boot} after boot ${known.boot}` });
    if (known.epoch !== "" && epoch !== known.epoch)
      problems.push({ promised: "boot", text: `epoch ${epoch} after ${known.epoch}` });
  } finally {
    outbox.close();
  }
  for (const { level, text } of logs)
    if (level === "warn" || level === "error") problems.push({ promised: "opening", text: `${level}: ${text}` });
  const aside = readdirSync(dirname(path)).filter((name) => name.includes(".corrupt-"));
  if (aside.length > 0) problems.push({ promised: "opening", text: `quarantined: ${aside.join(" ")}` });
}

/** A record that was sent never changes, and stays until it is acknowledged. */
function checkSent({ sent, acked }: Known, { records, problems }: Found): void {
  for (const [id, { sum }] of sent) {
    const now = records.get(id);
    if (now === undefined && !acked.has(id))
      problems.push({ promised: "sent", text: `record ${id} was sent, not acknowledged, and is gone` });
    if (now !== undefined && now.sum !== sum)
      problems.push({ promised: "sent", text: `record ${id} was sent with other bytes` });
  }
}

/** Every number up to the highest is there or acknowledged; nothing was lost, so no gap may say so. */
function checkSequence({ records, problems }: Found, { acked }: Known): void {
  const highest = new Map<string, number>();
  for (const { record } of records.values()) {
    const { epoch, c, seq, k } = record;
    highest.set(`${epoch} ${c}`, Math.max(seq, highest.get(`${epoch} ${c}`) ?? 0));
    if (k === "gap")
      problems.push({ promised: "sequence", text: `record ${idOf(record)} is a gap: ${JSON.stringify(record.gap)}` });
  }
  for (const [stream, last] of highest) {
    for (let seq = 1; seq <= last; seq++) {
      const id = `${stream} ${seq}`;
      if (!records.has(id) && !acked.has(id))
        problems.push({ promised: "sequence", text: `record ${id} is missing below ${last}` });
    }
  }
}

/** Durable samples and events are there or acknowledged; none stands in two records; none was never handed over. */
function checkNumbers({ durable, sent, acked, lastNumber }: Known, { records, problems }: Found): void {
  const holders = new Map<number, string>();
  const hold = (numbers: readonly number[], id: string): void => {
    for (const number of numbers) {
      const other = holders.get(number);
      if (other !== undefined && other !== id)
        problems.push({ promised: "once", text: `number ${number} is in ${other} and in ${id}` });
      holders.set(number, id);
      if (!(number > 0 && number <= lastNumber))
        problems.push({ promised: "once", text: `number ${number} was never handed over` });
    }
  };
  for (const id of acked) hold(sent.get(id)?.numbers ?? [], id);
  for (const [id, { record }] of records) hold(numbersIn(record), id);
  const lost = [...durable].filter((number) => !holders.has(number));
  if (lost.length > 0)
    problems.push({
      promised: "durable",
      text: `${lost.length} durable samples or events are gone, the first is ${lost[0]}`,
    });
}
