/**
 * What Kafka holds of one gateway: per epoch and stream the numbers received, and apart from them those that gap records
 * cover. A record that arrives inside a gap is still written; receipts and audit use the union.
 *
 * Kept in memory, and as the value of the gateway's key in `busbar.progress` (compacted), written in the transaction of
 * the records that it counts: `{"v":1,"e":[["k3f9a1c2",{"t":{"r":[1,480,490,4711],"g":[120,480]}}],…],"s":[["…",3]]}`,
 * `e` in the order in which the epochs began, `r` and `g` as from, to, from, to, …; `o` where a gap
 * without end begins; `s` the latest revision of recent sessions.
 */
import { createHash } from "node:crypto";
import { type Gap, STREAMS, type Stream } from "../core/record.ts";
import { RangeSet } from "./ranges.ts";

/** A new epoch is a new outbox file: rare. What is older than these arrives no more. */
const MOST_EPOCHS = 16;
/** Holes of one stream; a gateway that leaves more is broken, and its progress would outgrow a Kafka message. */
const MOST_RANGES = 4096;
const MOST_SESSIONS = 32;
/** One epoch's holes always fit, and so does the value into a Kafka message; for older epochs there may be no room. */
const MAX_VALUE_LENGTH = 1024 ** 2;

interface StreamProgress {
  readonly received: RangeSet;
  readonly covered: RangeSet;
  /** Everything from here on is covered: a quarantined outbox does not know how far it had come. */
  openFrom: number | undefined;
}

type EpochProgress = Partial<Record<Stream, StreamProgress>>;
type StreamValue = { r?: number[]; g?: number[]; o?: number };
type EpochValue = Partial<Record<Stream, StreamValue>>;
interface Value {
  v: 1;
  e: [string, EpochValue][];
  s?: [string, number][];
}

export type Verdict = "new" | "duplicate" | "too_many_holes";

export class GatewayProgress {
  /** In the order in which they began. */
  readonly #epochs: Map<string, EpochProgress>;
  readonly #sessions: Map<string, number>;

  constructor(value?: Value) {
    this.#epochs = new Map((value?.e ?? []).map(([epoch, streams]) => [epoch, epochOf(streams)]));
    this.#sessions = new Map(value?.s);
  }

  /** Counts a record as received. */
  receive(epoch: string, stream: Stream, seq: number): Verdict {
    const progress = this.#stream(epoch, stream);
    const { received } = progress;
    if (received.has(seq)) return "duplicate";
    if (received.size >= MOST_RANGES && !received.has(seq - 1) && !received.has(seq + 1)) return "too_many_holes";
    received.add(seq);
    return "new";
  }

  /** False when a gap's range would be one too many. */
  hasRoomFor({ epoch, c, from, to }: Pick<Gap, "epoch" | "c" | "from" | "to">): boolean {
    const covered = this.#epochs.get(epoch)?.[c]?.covered;
    if (covered === undefined || from === null || to === null || covered.size < MOST_RANGES) return true;
    return covered.has(from - 1) || covered.has(from) || covered.has(to + 1);
  }

  /** Counts what a gap record covers; samples lost before they had a number cover none. */
  cover({ epoch, c, from, to }: Pick<Gap, "epoch" | "c" | "from" | "to">): void {
    if (from === null) return;
    // A gap about an epoch of which nothing arrived: it ended before those that are known began.
    if (!this.#epochs.has(epoch)) this.#beginBeforeOthers(epoch);
    const progress = this.#stream(epoch, c);
    if (to === null) progress.openFrom = Math.min(from, progress.openFrom ?? from);
    else progress.covered.add(from, to);
  }

  /** True when this revision of a session is the latest seen. */
  isLatestRevision(sid: string, rev: number): boolean {
    const key = createHash("sha256").update(sid).digest("base64url").slice(0, 11);
    if (rev < (this.#sessions.get(key) ?? 0)) return false;
    this.#sessions.delete(key);
    this.#sessions.set(key, rev);
    dropOldest(this.#sessions, MOST_SESSIONS);
    return true;
  }

  /** The epochs in the order in which they began: the last is the current one. */
  epochs(): string[] {
    return [...this.#epochs.keys()];
  }

  /** Per stream the highest number up to which there is a record or a gap for each. */
  upto(epoch: string): Record<Stream, number> {
    const streams = this.#epochs.get(epoch);
    const marks = STREAMS.map((stream) => [stream, contiguous(streams?.[stream])]);
    return Object.fromEntries(marks) as Record<Stream, number>;
  }

  encode(): string {
    let text = this.#encode();
    while (text.length > MAX_VALUE_LENGTH && this.#epochs.size > 1) {
      dropOldest(this.#epochs, this.#epochs.size - 1);
      text = this.#encode();
    }
    return text;
  }

  #encode(): string {
    const e = [...this.#epochs].map(([epoch, streams]): [string, EpochValue] => [epoch, epochValue(streams)]);
    const value: Value = this.#sessions.size === 0 ? { v: 1, e } : { v: 1, e, s: [...this.#sessions] };
    return JSON.stringify(value);
  }

  #beginBeforeOthers(epoch: string): void {
    const later = [...this.#epochs];
    this.#epochs.clear();
    for (const [name, streams] of [[epoch, {}] as const, ...later.slice(-MOST_EPOCHS + 1)])
      this.#epochs.set(name, streams);
  }

  #stream(epoch: string, stream: Stream): StreamProgress {
    let streams = this.#epochs.get(epoch);
    if (streams === undefined) {
      streams = {};
      this.#epochs.set(epoch, streams);
      dropOldest(this.#epochs, MOST_EPOCHS);
    }
    streams[stream] ??= { received: new RangeSet(), covered: new RangeSet(), openFrom: undefined };
    return streams[stream];
  }
}

/** The progress that a value of `busbar.progress` tells. Throws SyntaxError for what is none. */
export function decodeProgress(value: string): GatewayProgress {
  const parsed = JSON.parse(value) as Value;
  if (parsed.v !== 1 || !Array.isArray(parsed.e)) throw new SyntaxError("no progress of version 1");
  return new GatewayProgress(parsed);
}

function epochOf(streams: EpochValue): EpochProgress {
  const entries = Object.entries(streams).map(([stream, { r, g, o }]): [string, StreamProgress] => [
    stream,
    { received: new RangeSet(r), covered: new RangeSet(g), openFrom: o },
  ]);
  return Object.fromEntries(entries);
}

function epochValue(streams: EpochProgress): EpochValue {
  const entries = Object.entries(streams).map(([stream, { received, covered, openFrom }]): [string, StreamValue] => [
    stream,
    {
      ...(received.size === 0 ? {} : { r: received.edges as number[] }),
      ...(covered.size === 0 ? {} : { g: covered.edges as number[] }),
      ...(openFrom === undefined ? {} : { o: openFrom }),
    },
  ]);
  return Object.fromEntries(entries);
}

function contiguous(progress: StreamProgress | undefined): number {
  if (progress === undefined) return 0;
  const { received, covered, openFrom = Number.POSITIVE_INFINITY } = progress;
  let upto = 0;
  for (;;) {
    if (openFrom <= upto + 1) return Math.max(upto, received.last, covered.last);
    const end = Math.max(received.endOf(upto + 1) ?? 0, covered.endOf(upto + 1) ?? 0);
    if (end === 0) return upto;
    upto = end;
  }
}

function dropOldest(map: Map<string, unknown>, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
}
