/**
 * One MQTT message → what it is. Pure: it knows topics, formats and births, not what was received before.
 * A record passes only when its checksum holds and its header says what its topic says; whatever else it is, it is
 * named and ends in the dead letters, byte by byte.
 */
import { createHash } from "node:crypto";
import { systemCode } from "../core/errors.ts";
import { type BusbarRecord, crcHolds, plainRecord, type RecordKind, STREAMS } from "../core/record.ts";
import { ASSET_ID, GATEWAY_ID } from "../core/schema.ts";
import { slotOf } from "../core/topics.ts";
import type { Keep } from "./arena.ts";
import { type RecordFacts, RecordPattern } from "./record-pattern.ts";
import { Unzstd } from "./unzstd.ts";

/** Why a message is a dead letter. */
export const DEAD_REASONS = [
  "topic", // no topic of a gateway, or in the wrong slot
  "malformed", // neither JSON nor a frame that unpacks to it
  "oversized", // more than a record may have
  "version", // a record of a version that is not known here
  "crc",
  "header", // it says other than its topic, or a field is out of its range
  "birth", // packed with a birth that never came
  "too_many_holes", // a stream with thousands of numbers missing
] as const;
export type DeadReason = (typeof DEAD_REASONS)[number];

export type Intake =
  | { readonly is: "record"; readonly record: RecordFacts; readonly plain: Buffer }
  | { readonly is: "state"; readonly gateway: string; readonly boot: number; readonly conn: number }
  | { readonly is: "birth"; readonly gateway: string; readonly id: string }
  | { readonly is: "waits"; readonly gateway: string; readonly birth: string }
  | { readonly is: "dead"; readonly reason: DeadReason }
  /** Nothing to keep: `now`, our own receipts, retained messages that were cleared. */
  | { readonly is: "nothing" };

export interface Surroundings {
  readonly birthOf: (gateway: string, id: string) => Uint8Array | undefined;
  /** Where a record's plain bytes stay. */
  readonly keep?: Keep;
}

/** A record's plain JSON bytes. */
const MAX_RECORD_BYTES = 1 << 20;
const EPOCH = /^[0-9a-z]{8}$/;
const BIRTH_ID = /^[0-9a-f]{8}$/;
const BZ1 = Buffer.from("BZ1");
const BRACE = 0x7b;
const ZSTD_MAGIC = 0xfd2fb528;
const UNZSTD = new Unzstd();
const RECORD_KINDS: readonly string[] = ["data", "event", "session", "gap", "time"] satisfies RecordKind[];
const IGNORED: readonly string[] = ["now", "receipt"];
const NOTHING: Intake = { is: "nothing" };

export function takeIn(topic: string, payload: Buffer, { birthOf, keep = Buffer.from }: Surroundings): Intake {
  const place = placeOf(topic);
  if (place === undefined) return dead("topic");
  const { gateway, kind } = place;
  if (gateway === "bridge" || IGNORED.includes(kind)) return NOTHING;
  if (!RECORD_KINDS.includes(kind)) return ownMessage(place, payload);
  if (payload.length > MAX_RECORD_BYTES) return dead("oversized");
  const birth = payload[0] === BZ1[0] && BZ1.equals(payload.subarray(0, 3)) ? birthIn(payload) : undefined;
  if (birth !== undefined && birthOf(gateway, birth) === undefined) return { is: "waits", gateway, birth };
  const checked = unpacked(payload, keep);
  let plain: Buffer;
  try {
    plain = checked ?? (payload[0] === BRACE ? payload : plainRecord(payload, (id) => birthOf(gateway, id)));
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    return dead(systemCode(cause) === "ERR_BUFFER_TOO_LARGE" ? "oversized" : "malformed");
  }
  const known = place.pattern?.read(plain);
  if (known === undefined) return parsed(plain, place, checked !== undefined);
  return checked !== undefined || crcHolds(plain) ? { is: "record", record: known, plain } : dead("crc");
}

/** The first of its topic, and whatever is not like the one before. */
function parsed(plain: Buffer, place: Place, crcChecked: boolean): Intake {
  const { gateway, kind, asset } = place;
  const record = parse(plain);
  if (record === undefined) return dead("malformed");
  if (record.v !== 1) return dead("version");
  if (!crcChecked && !crcHolds(plain)) return dead("crc");
  if (record.gw !== gateway || record.asset !== asset || record.k !== kind || !isSound(record)) return dead("header");
  if (kind === "data") place.pattern = new RecordPattern(record);
  return { is: "record", record, plain };
}

/** The quick way for nearly all: a small sound frame around a record whose checksum holds. */
function unpacked(payload: Buffer, keep: Keep): Buffer | undefined {
  const isFrame = payload.length >= 4 && payload.readUInt32LE(0) === ZSTD_MAGIC;
  return isFrame ? UNZSTD.unpack(payload, crcHolds, keep) : undefined;
}

/** Of a BZ1 frame. */
function birthIn(frame: Buffer): string {
  return frame.subarray(BZ1.length, 7).toString("hex");
}

interface Place {
  readonly gateway: string;
  readonly kind: string;
  readonly asset: string | undefined;
  /** What its records look like, of kind data. */
  pattern: RecordPattern | undefined;
}

/** The same topics come again and again; forgotten all at once when they are too many. */
const places = new Map<string, Place | undefined>();
const MOST_PLACES = 50_000;
/** No topic of ours is longer; MQTT allows 65,535. */
const MAX_TOPIC_LENGTH = 128;

function placeOf(topic: string): Place | undefined {
  if (topic.length > MAX_TOPIC_LENGTH) return undefined;
  const known = places.get(topic);
  if (known !== undefined || places.has(topic)) return known;
  if (places.size >= MOST_PLACES) places.clear();
  const place = parseTopic(topic);
  places.set(topic, place);
  return place;
}

/** The parts of `busbar/v1/<slot>/<gateway>/<kind>[/<asset>]`; undefined for anything else. */
function parseTopic(topic: string): Place | undefined {
  const [root, version, slot, gateway = "", kind = "", asset, ...more] = topic.split("/");
  if (root !== "busbar" || version !== "v1" || more.length > 0 || !GATEWAY_ID.test(gateway)) return undefined;
  if (gateway !== "bridge" && slotOf(gateway) !== slot) return undefined;
  if (asset !== undefined && !ASSET_ID.test(asset)) return undefined;
  return { gateway, kind, asset, pattern: undefined };
}

/** `state` and `birth`. */
function ownMessage({ gateway, kind, asset }: Place, payload: Buffer): Intake {
  if (asset !== undefined || (kind !== "state" && kind !== "birth")) return dead("topic");
  if (payload.length === 0) return NOTHING;
  if (payload.length > MAX_RECORD_BYTES) return dead("oversized");
  const value = parse(payload) as Readonly<Record<string, unknown>> | undefined;
  if (value === undefined) return dead("malformed");
  if (kind === "birth") {
    if (value.v !== 1) return dead("version");
    return value.gw === gateway ? { is: "birth", gateway, id: birthId(payload) } : dead("header");
  }
  const { state, boot, conn } = value;
  const sound = (state === "online" || state === "offline") && isCount(boot) && isCount(conn);
  return sound ? { is: "state", gateway, boot, conn } : dead("header");
}

/** The first eight hex digits of SHA-256 of a birth payload. */
export function birthId(payload: Uint8Array): string {
  return createHash("sha256").update(payload).digest("hex").slice(0, 8);
}

function parse(bytes: Buffer): BusbarRecord | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    return typeof value === "object" && value !== null ? (value as BusbarRecord) : undefined;
  } catch {
    return undefined;
  }
}

function isSound({ k, c, gw, epoch, seq, boot, t0, birth, g, gap, event, session, time }: BusbarRecord): boolean {
  const known = STREAMS.includes(c) && (k === "data") === (c !== "c");
  const numbered = isCount(seq) && seq >= 1 && isCount(boot) && Number.isSafeInteger(t0);
  if (!known || !numbered || !isId(EPOCH, epoch) || !isId(BIRTH_ID, birth)) return false;
  if (k === "gap") return isGap(gap);
  if (k === "session") return isSessionOf(gw, session);
  if (k === "event") return typeof event === "object" && event !== null;
  return k === "time" ? isCount(time?.boot) : Array.isArray(g);
}

function isGap(gap: BusbarRecord["gap"]): boolean {
  if (typeof gap !== "object" || gap === null || !STREAMS.includes(gap.c) || !isId(EPOCH, gap.epoch)) return false;
  const { from, to } = gap;
  if (from === null) return to === null;
  return isCount(from) && from >= 1 && (to === null || (isCount(to) && to >= from));
}

/** A session's id begins with its gateway; nobody writes over another's. */
function isSessionOf(gateway: string, session: BusbarRecord["session"]): boolean {
  const { sid, rev } = session ?? {};
  return typeof sid === "string" && sid.startsWith(`${gateway}/`) && isCount(rev);
}

/** A regular expression alone takes `["k3f9a1c2"]`, too. */
function isId(pattern: RegExp, value: unknown): value is string {
  return typeof value === "string" && pattern.test(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function dead(reason: DeadReason): Intake {
  return { is: "dead", reason };
}
