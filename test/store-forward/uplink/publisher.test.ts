import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { type IPublishPacket, type Packet, parser } from "mqtt-packet";
import { limitsOf } from "../../../store-forward/uplink/limits.ts";
import { PacketIds } from "../../../store-forward/uplink/packet-ids.ts";
import { Publisher } from "../../../store-forward/uplink/publisher.ts";

/** A socket that takes a write only when it is told to: what it was given must not change until then. */
class SlowSocket extends Writable {
  readonly writes: number[] = [];
  readonly packets: Packet[] = [];
  readonly #parser = parser({ protocolVersion: 5 });
  #waiting: (() => void) | undefined;

  constructor() {
    super({ highWaterMark: 1 });
    this.#parser.on("packet", (packet) => this.packets.push(packet));
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.writes.push(chunk.length);
    this.#waiting = () => {
      this.#parser.parse(Buffer.from(chunk));
      done();
    };
  }

  /** Takes everything that was written so far. */
  async takeAll(): Promise<void> {
    for (; this.#waiting !== undefined; await turn()) {
      const take = this.#waiting;
      this.#waiting = undefined;
      take();
    }
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function publisherOn(
  stream: Writable,
  topicAliasMaximum = 0,
): { readonly publisher: Publisher; readonly ids: PacketIds } {
  const ids = new PacketIds();
  return { ids, publisher: new Publisher({ stream, ids, version: 5, topicAliasMaximum }) };
}

test("what one turn publishes leaves in one write, and payloads are free at once", async () => {
  const socket = new SlowSocket();
  const { publisher } = publisherOn(socket);
  const payload = Buffer.alloc(100);
  for (let i = 0; i < 50; i++) publisher.publish({ topic: "data/a", payload: payload.fill(i), qos: 1, retain: false });
  await turn();
  assert.equal(socket.writes.length, 1);
  await socket.takeAll();
  assert.deepEqual(
    socket.packets.map((packet) => (packet as IPublishPacket).payload),
    Array.from({ length: 50 }, (_, i) => Buffer.alloc(100, i)),
  );
});

test("buffers serve again only after the socket has taken them; large and small packets between", async () => {
  const socket = new SlowSocket();
  const { publisher } = publisherOn(socket);
  const sizes = [300, 60_000, 9000, 70_000, 20, 30_000, 30_000, 30_000, 200_000, 1];
  const sent: Buffer[] = [];
  for (let round = 0; round < 12; round++) {
    for (const [i, size] of sizes.entries()) {
      const payload = Buffer.alloc(size, 1 + ((round * sizes.length + i) % 250));
      sent.push(Buffer.from(payload));
      publisher.publish({ topic: "data/a", payload, qos: 1, retain: false });
      payload.fill(0);
      if (i % 3 === 0) await turn();
    }
    // Every third round nothing is taken, so that writes wait.
    if (round % 3 !== 0) await socket.takeAll();
  }
  await turn();
  await socket.takeAll();
  assert.equal(socket.packets.length, sent.length);
  for (const [i, packet] of socket.packets.entries())
    assert.deepEqual((packet as IPublishPacket).payload, sent[i], `${i}`);
});

test("QoS 2 is done with PUBCOMP, or with the PUBREC that refuses; QoS 1 with PUBACK; 0x10 is success", async () => {
  const socket = new SlowSocket();
  const { publisher, ids } = publisherOn(socket);
  const done: string[] = [];
  for (const [name, qos] of [
    ["a", 2],
    ["b", 2],
    ["c", 1],
    ["d", 1],
  ] as const) {
    const topic = `data/${name}`;
    publisher.publish({
      topic,
      payload: Buffer.from(name),
      qos,
      retain: false,
      done: (code) => done.push(`${name}${code}`),
    });
  }
  assert.equal(publisher.answered("pubrec", 1, 0), true);
  assert.equal(publisher.answered("pubrec", 2, 0x97), true);
  assert.equal(publisher.answered("puback", 3, 0x10), true);
  assert.deepEqual(done, ["b151", "c0"]);
  assert.equal(publisher.answered("pubcomp", 1, 0), true);
  assert.equal(publisher.answered("puback", 3, 0), false, "nobody waits for it any more");
  assert.equal(publisher.answered("puback", 77, 0), false);
  assert.deepEqual(done, ["b151", "c0", "a0"]);
  assert.deepEqual(
    [1, 2, 3, 4].map((id) => ids.register(id)),
    [true, true, true, false],
    "what is done has given its identifier back",
  );
  await turn();
  await socket.takeAll();
  const told = socket.packets.map(({ cmd, messageId }) => [cmd, messageId]);
  assert.deepEqual(told, [
    ["publish", 1],
    ["publish", 2],
    ["publish", 3],
    ["publish", 4],
    ["pubrel", 1],
  ]);
});

test("a topic goes by name once, then by its number; beyond the server's maximum always by name", async () => {
  const socket = new SlowSocket();
  const { publisher } = publisherOn(socket, 1);
  const payload = Buffer.from("x");
  for (const topic of ["data/a", "data/b", "data/a", "data/b"])
    publisher.publish({ topic, payload, qos: 1, retain: false });
  publisher.publish({ topic: "state", payload, qos: 1, retain: true });
  await turn();
  await socket.takeAll();
  assert.deepEqual(
    (socket.packets as IPublishPacket[]).map(({ topic, properties }) => [topic, properties?.topicAlias]),
    [
      ["data/a", 1],
      ["data/b", undefined],
      ["", 1],
      ["data/b", undefined],
      ["state", undefined],
    ],
  );
});

test("packet identifiers: none twice, from 1 to 65,535 and round again", () => {
  const ids = new PacketIds();
  assert.equal(ids.register(2), true);
  assert.equal(ids.register(2), false);
  assert.deepEqual([ids.allocate(), ids.allocate(), ids.getLastAllocated()], [1, 3, 3]);
  for (let id = 4; id <= 65_535; id++) assert.equal(ids.allocate(), id);
  assert.equal(ids.allocate(), null, "all are in use");
  ids.deallocate(3);
  assert.equal(ids.allocate(), 3);
  ids.clear();
  assert.equal(ids.allocate(), 1);
});

test("a server that allows everything leaves one identifier for SUBSCRIBE", () => {
  const allowed = [undefined, { receiveMaximum: 0 }, { receiveMaximum: 65_535 }, { receiveMaximum: 20 }];
  assert.deepEqual(
    allowed.map((properties) => limitsOf(properties).receiveMaximum),
    [65_534, 65_534, 65_534, 20],
  );
});
