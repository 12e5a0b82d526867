import assert from "node:assert/strict";
import { test } from "node:test";
import { type MqttPacket, mqttPackets } from "./mqtt-packets.ts";

/** MQTT 3.1.1: PUBLISH with QoS 1 and 0 of 200 bytes each, PUBACK, PUBREC, PUBCOMP. */
const PAYLOAD = Buffer.alloc(200, 0x61);
const STREAM = Buffer.concat([
  Buffer.from([0x32, 0xcd, 0x01, 0, 1, 0x74, 0, 7]),
  PAYLOAD,
  Buffer.from([0x30, 0xcb, 0x01, 0, 1, 0x74]),
  PAYLOAD,
  Buffer.from([0x40, 2, 0, 7, 0x50, 2, 0, 8, 0x70, 2, 1, 0]),
]);
const EXPECTED: readonly MqttPacket[] = [
  { type: "publish", topic: "t", packetId: 7, payload: PAYLOAD },
  { type: "publish", topic: "t", payload: PAYLOAD },
  { type: "puback", packetId: 7 },
  { type: "other" },
  { type: "pubcomp", packetId: 256 },
];

test("packets are found however the bytes come", () => {
  for (const size of [1, 3, 127, STREAM.length]) {
    const take = mqttPackets();
    const found: MqttPacket[] = [];
    for (let at = 0; at < STREAM.length; at += size) found.push(...take(STREAM.subarray(at, at + size)));
    assert.deepEqual(found, EXPECTED, `${size} bytes at a time`);
  }
});
