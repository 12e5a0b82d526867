/** One Kafka record → which record of which gateway it is, by its own bytes. */
import { crcHolds, type Gap, parseRecord, STREAMS, type Stream } from "../../core/record.ts";
import type { AuditedTopic, Found } from "./tally.ts";

export interface Read {
  readonly topic: AuditedTopic;
  readonly partition: number;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, unknown>>;
  /** When Kafka got it, milliseconds since 1970. */
  readonly at: number;
}

export interface Unreadable {
  /** In words. */
  readonly why: string;
}

type Identity = Pick<Found, "gateway" | "epoch" | "stream" | "seq">;
type Parsed = Identity & { readonly gap?: Gap | undefined };

/** What every record begins with (docs/FORMATS.md). */
const HEAD =
  /^\{"v":1,"k":"(data|gap|time|event|session)","gw":"([a-z0-9-]+)",(?:"asset":"[\w.-]+",)?"epoch":"([0-9a-z]{8})","c":"([ctb])","seq":(\d+),/;
const HEAD_BYTES = 256;
/** By option the bridge writes a record of its own for each sample; who they are stands in their headers alone. */
const SAMPLE = Buffer.from('{"gw":');
const SAMPLE_HEADER = /^([1-9]\d{0,8})\/([1-9]\d{0,8})$/;

/** Which of how many samples of its record it is, from 1. */
export interface SampleOf {
  readonly at: number;
  readonly of: number;
}

/** A record, a sample of one (`sample`), or why it is neither. */
export function readRecord(read: Read): (Found & { readonly sample?: SampleOf }) | Unreadable {
  const { topic, partition, value, headers, at } = read;
  if (value === null) return { why: "it has no value" };
  const told = identityIn(headers);
  if (topic === "telemetry" && value.subarray(0, SAMPLE.length).equals(SAMPLE)) {
    const sample = sampleIn(headers);
    if (told === undefined || sample === undefined) {
      return { why: "a sample without the headers that say of which record it is, and which of how many" };
    }
    return { ...told, topic, partition, at, sample };
  }
  if (!crcHolds(value)) return { why: "its checksum is missing or wrong" };
  const parsed = parse(value);
  if (parsed === undefined) return { why: "its checksum holds, but it is no record of version 1" };
  if (told === undefined || !sameIdentity(told, parsed)) return { why: "its headers say other than its value" };
  return { ...parsed, topic, partition, at };
}

/** The head is enough for all but gaps: parsing all of it would take three times as long. */
function parse(value: Buffer): Parsed | undefined {
  const [, kind, gateway, epoch, stream, seq] = HEAD.exec(value.toString("latin1", 0, HEAD_BYTES)) ?? [];
  if (kind !== "gap" && gateway !== undefined && epoch !== undefined)
    return { gateway, epoch, stream: stream as Stream, seq: Number(seq) };
  try {
    const { gw, epoch, c, seq, gap } = parseRecord(value);
    return { gateway: gw, epoch, stream: c, seq, gap };
  } catch {
    return undefined;
  }
}

function identityIn(headers: Read["headers"]): Identity | undefined {
  const stream = String(headers.stream);
  const seq = Number(headers.seq);
  if (!STREAMS.some((name) => name === stream) || !Number.isSafeInteger(seq)) return undefined;
  return { gateway: String(headers.gateway), epoch: String(headers.epoch), stream: stream as Stream, seq };
}

function sampleIn(headers: Read["headers"]): SampleOf | undefined {
  const [, at, of] = SAMPLE_HEADER.exec(String(headers.sample)) ?? [];
  return at === undefined || Number(at) > Number(of) ? undefined : { at: Number(at), of: Number(of) };
}

export function sameIdentity(a: Identity, b: Identity): boolean {
  return a.seq === b.seq && a.stream === b.stream && a.epoch === b.epoch && a.gateway === b.gateway;
}
