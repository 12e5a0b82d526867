/** PUBLISH and PUBREL as bytes (MQTT 5 and 3.1.1, 3.3 and 3.6). Pure. */

export interface PublishPacket {
  /** UTF-8; empty where the alias says it. */
  readonly topic: Uint8Array;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** Packet identifier, 1 to 65,535; of no meaning at QoS 0. */
  readonly id: number;
  /** MQTT 5 3.3.2.3.4; undefined: none. */
  readonly alias: number | undefined;
  /** 3.1.1 has no properties. */
  readonly version: 4 | 5;
}

const PUBLISH = 0x30;
const PUBREL = 0x62;
const TOPIC_ALIAS = 0x23;
/** Fixed header, lengths, identifier, properties. */
const FRAME_BYTES = 1 + 4 + 2 + 2 + 1 + 3;
export const PUBREL_BYTES = 4;

/** Most bytes that `writePublish` writes. */
export function publishRoom({ topic, payload }: PublishPacket): number {
  return FRAME_BYTES + topic.length + payload.length;
}

/** Writes the packet; returns its end. */
export function writePublish(out: Buffer, start: number, packet: PublishPacket): number {
  const { topic, payload, qos, retain, id, alias, version } = packet;
  const properties = version === 4 ? 0 : alias === undefined ? 1 : 4;
  let at = start;
  out[at++] = PUBLISH | (qos << 1) | (retain ? 1 : 0);
  at = writeVariable(out, at, 2 + topic.length + (qos > 0 ? 2 : 0) + properties + payload.length);
  at = writeU16(out, at, topic.length);
  out.set(topic, at);
  at += topic.length;
  if (qos > 0) at = writeU16(out, at, id);
  if (properties > 0) out[at++] = properties - 1;
  if (properties > 1) {
    out[at++] = TOPIC_ALIAS;
    at = writeU16(out, at, alias ?? 0);
  }
  out.set(payload, at);
  return at + payload.length;
}

/** Without a reason code, success, which both versions write alike (MQTT 5 3.6.2.1). */
export function writePubrel(out: Buffer, start: number, id: number): number {
  out[start] = PUBREL;
  out[start + 1] = 2;
  return writeU16(out, start + 2, id);
}

/** Variable byte integer (MQTT 5 1.5.5). */
function writeVariable(out: Buffer, start: number, value: number): number {
  let at = start;
  let left = value;
  for (; left > 0x7f; left >>= 7) out[at++] = (left & 0x7f) | 0x80;
  out[at++] = left;
  return at;
}

function writeU16(out: Buffer, at: number, value: number): number {
  out[at] = value >> 8;
  out[at + 1] = value & 0xff;
  return at + 2;
}
