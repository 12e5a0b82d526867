import assert from "node:assert/strict";
import { test } from "node:test";
import { generate, type IPublishPacket, parser } from "mqtt-packet";
import { publishBytes } from "../../../store-forward/uplink/limits.ts";
import {
  PUBREL_BYTES,
  type PublishPacket,
  publishRoom,
  writePublish,
  writePubrel,
} from "../../../store-forward/uplink/publish-packet.ts";

const OFFSET = 3;

function written(packet: PublishPacket): Buffer {
  const out = Buffer.alloc(OFFSET + publishRoom(packet) + 1, "#");
  const end = writePublish(out, OFFSET, packet);
  assert.ok(end < out.length, "more than it said");
  assert.equal(out.toString("latin1", end), "#".repeat(out.length - end), "written behind its end");
  return out.subarray(OFFSET, end);
}

const TOPICS = ["busbar/v1/d8/depot-berlin-01/data/meter-1", "t", "Zähler/é", ""];
/** Around the lengths at which the remaining length takes one byte more. */
const SIZES = [0, 1, 60, 127, 128, 16_300, 16_383, 16_384, 40_000];

test("a PUBLISH is what mqtt-packet makes of the same", () => {
  let compared = 0;
  for (const version of [4, 5] as const) {
    for (const [place, topic] of TOPICS.entries()) {
      const alias = version === 5 && (topic === "" || place === 1) ? 300 + place : undefined;
      if (topic === "" && alias === undefined) continue;
      for (const size of SIZES) {
        const qos = ([0, 1, 2] as const)[size % 3] as 0 | 1 | 2;
        const [payload, retain, id] = [Buffer.alloc(size, "x"), size % 2 === 0, 65_535 - size];
        const bytes = written({ topic: Buffer.from(topic), payload, qos, retain, id, alias, version });
        const properties = alias === undefined ? {} : { properties: { topicAlias: alias } };
        const packet = {
          cmd: "publish",
          topic,
          payload,
          qos,
          retain,
          dup: false,
          messageId: id,
          ...properties,
        } as const;
        assert.deepEqual(bytes, generate(packet, { protocolVersion: version }), `${version} ${topic} ${size}`);
        compared++;
      }
    }
  }
  assert.equal(compared, 7 * SIZES.length);
});

test("what is held against the server's maximum packet size is never less than what goes out, and hardly more", () => {
  for (const topic of TOPICS.slice(0, 2)) {
    for (const size of SIZES) {
      const payload = Buffer.alloc(size, "x");
      const packet = { topic: Buffer.from(topic), payload, qos: 2, retain: false, id: 7, version: 5 } as const;
      const most = publishBytes(topic, payload);
      const sizes = [written({ ...packet, alias: undefined }), written({ ...packet, alias: 1 })].map((b) => b.length);
      assert.ok(Math.max(...sizes) <= most && most <= Math.min(...sizes) + 6, `${sizes.join()} of ${most}`);
    }
  }
});

test("every length on the way to two bytes of remaining length comes back whole", () => {
  const found: IPublishPacket[] = [];
  const reader = parser({ protocolVersion: 5 });
  reader.on("packet", (packet) => found.push(packet as IPublishPacket));
  const topic = Buffer.from("data/meter-1");
  for (let size = 90; size < 140; size++) {
    const payload = Buffer.alloc(size, "x");
    reader.parse(written({ topic, payload, qos: 1, retain: false, id: size, alias: undefined, version: 5 }));
  }
  assert.deepEqual(
    found.map(({ payload, messageId }) => [payload.length, messageId]),
    Array.from({ length: 50 }, (_, i) => [90 + i, 90 + i]),
  );
});

test("a PUBREL is the same in both versions", () => {
  const found: [string, number | undefined][] = [];
  const out = Buffer.alloc(PUBREL_BYTES);
  assert.equal(writePubrel(out, 0, 0x1234), PUBREL_BYTES);
  for (const protocolVersion of [4, 5] as const) {
    const reader = parser({ protocolVersion });
    reader.on("packet", ({ cmd, messageId }) => found.push([cmd, messageId]));
    reader.parse(Buffer.from(out));
  }
  assert.deepEqual(found, [
    ["pubrel", 0x1234],
    ["pubrel", 0x1234],
  ]);
});
