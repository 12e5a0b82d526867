/** What was found in Kafka, by gateway, epoch and stream. Pure: it is told of one record after the other. */
import type { Gap, Stream } from "../../core/record.ts";
import { ArrivedSpans, type Span } from "./spans.ts";

/** Topics that hold records; `busbar.sessions` repeats some and is not read. */
export const AUDITED = ["telemetry", "events", "gaps"] as const;
export type AuditedTopic = (typeof AUDITED)[number];

/** One record, wherever it was found. */
export interface Found {
  readonly gateway: string;
  readonly epoch: string;
  readonly stream: Stream;
  readonly seq: number;
  readonly topic: AuditedTopic;
  readonly partition: number;
  /** When Kafka got it, milliseconds since 1970. */
  readonly at: number;
  readonly gap?: Gap | undefined;
}

/** What gap records of one reason tell of one stream. */
export interface GapTally {
  records: number;
  /** From a number to another. */
  readonly spans: Span[];
  /** From this number to an end that nobody knows. */
  openFrom: number | undefined;
  /** Samples that the gap records count. */
  samples: number;
  /** Of them those that were lost before they had a number. */
  unnumbered: number;
}

export interface StreamTally {
  readonly arrived: ArrivedSpans;
  /** How often a number came that was there already. */
  doubled: number;
  /** The first few of those numbers. */
  readonly doubledSeqs: number[];
  /** Numbers of which some samples arrived, and not all. */
  readonly torn: Set<number>;
  readonly gaps: Map<Gap["reason"], GapTally>;
  firstAt: number;
  lastAt: number;
}

export interface GatewayTally {
  readonly partition: number;
  /** By epoch, in the order of their first sight. */
  readonly epochs: Map<string, Map<Stream, StreamTally>>;
}

const MOST_DOUBLED_TOLD = 20;

export class Tally {
  readonly gateways = new Map<string, GatewayTally>();
  records = 0;

  add(found: Found): void {
    this.records++;
    const { seq, at, gap } = found;
    const known = this.#seen(found);
    if (!known.arrived.add(seq, at) || known.torn.delete(seq)) double(known, seq);
    else if (gap !== undefined) addGap(this.#stream(found.gateway, gap.epoch, gap.c, found.partition), gap);
  }

  /** Some of its samples came, the others did not. */
  torn(found: Found): void {
    const known = this.#seen(found);
    // Samples of one that was whole before came again.
    if (known.arrived.has(found.seq) || known.torn.has(found.seq)) double(known, found.seq);
    else known.torn.add(found.seq);
  }

  /** A sample of it came again. */
  twice(found: Found): void {
    double(this.#seen(found), found.seq);
  }

  #seen({ gateway, epoch, stream, partition, at }: Found): StreamTally {
    const known = this.#stream(gateway, epoch, stream, partition);
    known.firstAt = Math.min(known.firstAt, at);
    known.lastAt = Math.max(known.lastAt, at);
    return known;
  }

  #stream(gateway: string, epoch: string, stream: Stream, partition: number): StreamTally {
    let known = this.gateways.get(gateway);
    if (known === undefined) {
      known = { partition, epochs: new Map() };
      this.gateways.set(gateway, known);
    }
    let streams = known.epochs.get(epoch);
    if (streams === undefined) {
      streams = new Map();
      known.epochs.set(epoch, streams);
    }
    let tally = streams.get(stream);
    if (tally === undefined) {
      tally = newStream();
      streams.set(stream, tally);
    }
    return tally;
  }
}

function newStream(): StreamTally {
  return {
    arrived: new ArrivedSpans(),
    doubled: 0,
    doubledSeqs: [],
    torn: new Set(),
    gaps: new Map(),
    firstAt: Number.POSITIVE_INFINITY,
    lastAt: 0,
  };
}

function double(stream: StreamTally, seq: number): void {
  stream.doubled++;
  if (stream.doubledSeqs.length < MOST_DOUBLED_TOLD) stream.doubledSeqs.push(seq);
}

function addGap(stream: StreamTally, { reason, from, to, samples }: Gap): void {
  const known = stream.gaps.get(reason) ?? { records: 0, spans: [], openFrom: undefined, samples: 0, unnumbered: 0 };
  stream.gaps.set(reason, known);
  known.records++;
  known.samples += samples ?? 0;
  if (from === null) known.unnumbered += samples ?? 0;
  else if (to === null) known.openFrom = Math.min(known.openFrom ?? from, from);
  else known.spans.push([from, to]);
}
