/**
 * Where the datagrams end: notes for each when it came and the stamp of its frame. `node receiver.ts`; tells its parent
 * its port, and what it received when it is asked with the span of time that counts.
 */
import { createSocket } from "node:dgram";
import { wallClockUs } from "../support/wall.ts";

export interface Span {
  readonly fromUs: number;
  readonly toUs: number;
}

const OPEN_PARENTHESIS = 0x28;
const FLAGS_AT = 4;
const TABLE_PART = 4;
const BASE_TIME_AT = 24;
const FIRST_SIGNAL_AT = 48;
/** The van's speed: the configuration has no asset before it. Others are the gateway's own health. */
const SPEED = 1;

const now = wallClockUs();
const stamps: number[] = [];
const latencies: number[] = [];

/** The stamp of the frame that made this datagram, in microseconds; 0 for datagrams that are of no frame. */
function stampOf(bytes: Buffer): number {
  if (bytes[0] === OPEN_PARENTHESIS) return Number(bytes.toString("latin1", 1, 11) + bytes.toString("latin1", 12, 18));
  if (((bytes[FLAGS_AT] ?? 0) & TABLE_PART) !== 0 || bytes.readUInt16LE(FIRST_SIGNAL_AT) !== SPEED) return 0;
  return Number(bytes.readBigUInt64LE(BASE_TIME_AT));
}

const socket = createSocket({ type: "udp4", recvBufferSize: 1 << 20 });
socket.on("message", (bytes) => {
  const receivedUs = now();
  const stampUs = stampOf(bytes);
  if (stampUs === 0) return;
  stamps.push(stampUs);
  latencies.push(receivedUs - stampUs);
});
process.on("message", ({ fromUs, toUs }: Span) => {
  const counted = latencies.filter((_, i) => (stamps[i] as number) >= fromUs && (stamps[i] as number) < toUs);
  stamps.length = 0;
  latencies.length = 0;
  process.send?.(Float64Array.from(counted));
});
socket.bind(0, "127.0.0.1", () => process.send?.(socket.address().port));
