import assert from "node:assert/strict";
import { test } from "node:test";
import { generate, type IPublishPacket, type Packet, parser } from "mqtt-packet";
import { PacketReader } from "../../bridge/mqtt/packet-reader.ts";
import { Random } from "../../hw-sim/random.ts";

const SEED = Number(process.env.SCAN_SEED ?? Date.now() % 1_000_000);

interface Seen {
  readonly topic: string;
  readonly payload: string;
  readonly messageId: number | undefined;
}

/** All that a reader makes of the bytes, in pieces of `sizes` in turn; what it hands on is read by mqtt-packet. */
function readAll(bytes: Buffer, level: 4 | 5, sizes: () => number) {
  const seen: (Seen | string)[] = [];
  let quick = 0;
  const others = parser({ protocolVersion: level });
  others.on("packet", (packet) => seen.push(packet.cmd === "publish" ? seenIn(packet) : packet.cmd));
  others.on("error", (error: Error) => seen.push(error.message));
  const reader = new PacketReader(level === 5, {
    publish: (topic, payload, messageId) => {
      quick++;
      seen.push({ topic, payload: payload.toString("hex"), messageId });
    },
    other: (packet) => others.parse(packet),
  });
  for (let at = 0; at < bytes.length; ) {
    const size = sizes();
    reader.read(bytes.subarray(at, at + size));
    at += size;
  }
  return { seen, quick };
}

function seenIn({ topic, payload, qos, messageId }: IPublishPacket): Seen {
  return { topic, payload: Buffer.from(payload).toString("hex"), messageId: qos === 0 ? undefined : messageId };
}

function randomPacket(random: Random, level: 4 | 5): Packet {
  const kind = random.next();
  const messageId = 1 + Math.floor(random.next() * 65_000);
  if (kind < 0.1) return { cmd: "pingresp" };
  if (kind < 0.2) return { cmd: "puback", messageId };
  if (kind < 0.25) return { cmd: "suback", messageId, granted: [1, 0] };
  const length = Math.floor(random.next() ** 6 * 40_000);
  const payload = Buffer.alloc(length, Math.floor(random.next() * 256));
  const topic = ["busbar/v1/d8/gw/data/m", "é/😀", "a"][Math.floor(random.next() * 3)] as string;
  const properties = level === 5 && random.next() < 0.1 ? { properties: { messageExpiryInterval: 5 } } : {};
  const common = { cmd: "publish", topic, payload, dup: random.next() < 0.2, retain: random.next() < 0.2 } as const;
  const qos = Math.floor(random.next() * 3) as 0 | 1 | 2;
  return { ...common, ...properties, ...(qos === 0 ? { qos, dup: false } : { qos, messageId }) };
}

for (const level of [4, 5] as const) {
  test(`any packets in pieces of any size are read as mqtt-packet reads them: level ${level}, seed ${SEED}`, () => {
    const random = new Random(SEED, `packets ${level}`);
    for (let round = 0; round < 60; round++) {
      const packets = Array.from({ length: 40 }, () => randomPacket(random, level));
      const bytes = Buffer.concat(packets.map((packet) => generate(packet, { protocolVersion: level })));
      const most = 1 + Math.floor(random.next() ** 3 * 70_000);
      const { seen, quick } = readAll(bytes, level, () => 1 + Math.floor(random.next() * most));
      const expected = packets.map((packet) => (packet.cmd === "publish" ? seenIn(packet) : packet.cmd));
      assert.deepEqual(seen, expected, `seed ${SEED}, round ${round}`);
      assert.ok(quick > 0, "none was read here");
    }
  });
}

test("what is malformed is mqtt-packet's to name", () => {
  const cases: readonly (readonly [string, string, 4 | 5])[] = [
    ["a length of five bytes", "30ffffffffff", 5],
    ["both QoS bits", "360700016100010061", 5],
    ["a topic longer than the packet", "3004ffff6162", 4],
    ["a publish without topic", "300100", 4],
  ];
  for (const [what, hex, level] of cases) {
    const { seen, quick } = readAll(Buffer.from(hex, "hex"), level, () => 3);
    assert.equal(quick, 0, what);
    assert.match(String(seen[0]), /Invalid|QoS|parse/, what);
  }
});
