/** Just enough of MQTT 3.1.1 to see records and their acknowledgements pass. */

export interface MqttPacket {
  readonly type: "publish" | "puback" | "pubcomp" | "other";
  readonly topic?: string;
  readonly packetId?: number;
  readonly payload?: Buffer;
}

/** Takes one direction's bytes as they come and returns the packets that are complete. */
export function mqttPackets(): (chunk: Buffer) => MqttPacket[] {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    const packets: MqttPacket[] = [];
    for (let size = sizeOf(rest); size !== undefined && size.end <= rest.length; size = sizeOf(rest)) {
      packets.push(packetOf(rest[0] ?? 0, Buffer.from(rest.subarray(size.body, size.end))));
      rest = rest.subarray(size.end);
    }
    return packets;
  };
}

/** MQTT-2.2.3: up to four bytes, seven bits each, the lowest first. */
function sizeOf(bytes: Buffer): { readonly body: number; readonly end: number } | undefined {
  let length = 0;
  for (let at = 1; at <= 4; at++) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * 2 ** (7 * (at - 1));
    if (byte < 0x80) return { body: at + 1, end: at + 1 + length };
  }
  throw new RangeError("MQTT: remaining length has more than four bytes");
}

function packetOf(head: number, body: Buffer): MqttPacket {
  const type = head >> 4;
  if (type === 4 || type === 7) return { type: type === 4 ? "puback" : "pubcomp", packetId: body.readUInt16BE(0) };
  if (type !== 3) return { type: "other" };
  const topicEnd = 2 + body.readUInt16BE(0);
  const topic = body.toString("utf8", 2, topicEnd);
  const qos = (head >> 1) & 3;
  if (qos === 0) return { type: "publish", topic, payload: body.subarray(topicEnd) };
  return { type: "publish", topic, packetId: body.readUInt16BE(topicEnd), payload: body.subarray(topicEnd + 2) };
}
