/** What a server may tell in its CONNACK: its limits are kept, from the first packet on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryQueue } from "../../support/memory-queue.ts";
import { answerPublish, answerPubrel, type Publish, type RawOptions, RawServer } from "./raw-server.ts";
import { filled, isRecord, keyOf, keysOf, Rig, soon } from "./rig.ts";

/** CONNACK of MQTT 5 with one property. */
function connack(property: string, flags = "00"): string {
  const bytes = property.replaceAll(" ", "").length / 2;
  return `20 ${(3 + bytes).toString(16).padStart(2, "0")} ${flags} 00 ${bytes.toString(16).padStart(2, "0")} ${property}`;
}

test("a Receive Maximum that is lower on the next connection counts from its first publish on", async () => {
  const maximum = [8, 2];
  await using server = await RawServer.start({
    connack: (connection) => connack(`21 00 0${maximum[connection - 1] ?? 2}`),
    onPublish: (publish, connection) => {
      const first = connection === server.connections[0];
      if (!isRecord(publish)) return answerPublish(publish);
      if (first && keyOf(publish) === "t7") setImmediate(() => connection.socket.destroy());
      return first ? undefined : hold(publish);
    },
  });
  const held: Publish[] = [];
  const hold = (publish: Publish): undefined => {
    held.push(publish);
  };
  const queue = filled({ t: 20 });
  await using rig = new Rig({ url: server.url, uplink: { queue } });
  await soon("one telemetry record is under way, the other slot is critical's", () => held.length === 1);
  assert.equal(rig.uplink.status().window, 2);
  queue.seal("c");
  await soon("critical takes its slot", () => held.length === 2);
  assert.deepEqual(keysOf(server.connections[1]!.publishes), ["t1", "c1"]);
  while (queue.waiting() > 0) {
    const now = held.splice(0);
    assert.ok(now.length <= 2, `${now.length} under way`);
    for (const publish of now) server.connections[1]!.send(answerPublish(publish));
    for (const { id, qos } of now) if (qos === 2) server.connections[1]!.send(answerPubrel(id));
    await soon("more comes", () => held.length > 0 || queue.waiting() === 0);
  }
});

test("births and state keep to the Receive Maximum, too", async () => {
  const held: Publish[] = [];
  await using server = await RawServer.start({
    connack: connack("21 00 02"),
    onPublish: (publish) => {
      held.push(publish);
      return undefined;
    },
  });
  const queue = filled({ t: 1 });
  queue.birthPayloads = [1, 2, 3, 4].map((birth) => Buffer.from(`{"v":${birth}}`));
  await using rig = new Rig({ url: server.url, uplink: { queue } });
  await rig.until("the window is full", () => held.length === 2);
  while (queue.waiting() > 0) {
    const now = held.splice(0);
    assert.ok(now.length <= 2, `${now.length} under way`);
    for (const publish of now) server.connections[0]!.send(answerPublish(publish));
    await soon("more comes", () => held.length > 0 || queue.waiting() === 0);
  }
  assert.equal(server.publishes.length, 6);
});

for (const maximum of [0, 1, 65_535]) {
  test(`Topic Alias Maximum ${maximum}`, async () => {
    await using server = await RawServer.start({ connack: connack(`22 ${maximum.toString(16).padStart(4, "0")}`) });
    const queue = new MemoryQueue();
    const assets = ["a", "b", "a", "b"];
    for (const asset of assets) queue.seal("t", { asset });
    await using rig = new Rig({ url: server.url, uplink: { queue } });
    await rig.until("acknowledged", () => queue.waiting() === 0);
    assert.equal(server.connections[0]!.aliases.size, Math.min(maximum, 2));
    assert.deepEqual(
      server.publishes.filter(isRecord).map(({ topic }) => topic.at(-1)),
      assets,
    );
  });
}

test("a birth above the server's packet limit is not sent but told; records flow without it", async () => {
  // 0x27: Maximum Packet Size 400.
  await using server = await RawServer.start({ connack: connack("27 00 00 01 90") });
  const queue = filled({ t: 3, c: 2 });
  queue.birthPayloads = [Buffer.from(`{"v":1,"fill":"${"x".repeat(400)}"}`)];
  const latestValues = () => [
    { asset: "m".repeat(48), ts: 5, values: { long: { v: "y".repeat(400), q: "good", ts: 5 } } },
  ];
  await using rig = new Rig({
    url: server.url,
    config: { now: { when: "always" } },
    uplink: { queue, latestValues, timing: { nowIntervalMs: 1 } },
  });
  await rig.up();
  await rig.until("acknowledged", () => queue.waiting() === 0);
  assert.match(
    rig.uplink.status().warning ?? "",
    /refuses birth: the packet is too large for the server \(0x95\); raise/,
  );
  for (const { topic, payload } of server.publishes) assert.ok(topic.length + payload.length < 400, topic);
  assert.equal(rig.uplink.status().conn, 1);
});

test("a server's own Keep Alive is kept, however late it acknowledges (MQTT 5 3.2.2.3.14)", async () => {
  const times: number[] = [];
  await using server = await RawServer.start({
    // Server Keep Alive: 2 s.
    connack: connack("13 00 02"),
    onPublish: (publish, connection) => {
      if (!isRecord(publish)) return answerPublish(publish);
      times.push(performance.now());
      connection.socket.on("data", () => times.push(performance.now()));
      setTimeout(() => connection.send(answerPublish(publish)), 1800);
      return undefined;
    },
  });
  const queue = filled({ t: 1 });
  await using rig = new Rig({ url: server.url, uplink: { queue } });
  const pinged = () => server.connections[0]?.packets.some(({ type }) => type === 12) === true;
  await rig.until("acknowledged, and pinged", () => queue.waiting() === 0 && pinged(), 10_000);
  const gaps = times.slice(1).map((time, at) => Math.round(time - times[at]!));
  // MQTT-3.1.2-22: the server closes after one and a half times the Keep Alive.
  assert.ok(Math.max(...gaps) < 3000, `silent for ${gaps.join()} ms`);
  assert.equal(rig.uplink.status().conn, 1);
});

const HARMLESS: readonly (readonly [what: string, RawOptions])[] = [
  ["an assigned client id", { connack: connack("12 00 03 61 62 63") }],
  ["a session that is present although we began a clean one", { connack: connack("", "01") }],
  ["a reason string and user properties", { connack: connack("1f 00 02 68 69 26 00 01 61 00 01 62") }],
  ["no wildcard, shared or identified subscriptions", { connack: connack("28 00 29 00 2a 00") }],
];

for (const [what, options] of HARMLESS) {
  test(`CONNACK with ${what} changes nothing`, async () => {
    await using server = await RawServer.start(options);
    const queue = filled({ t: 3, c: 3 });
    await using rig = new Rig({ url: server.url, uplink: { queue } });
    await rig.until("acknowledged", () => queue.waiting() === 0);
    const { state, conn, warning } = rig.uplink.status();
    assert.deepEqual([state, conn, warning], ["up", 1, undefined]);
  });
}

test("a server that asks for another says which", async () => {
  // DISCONNECT, 0x9d, Server Reference "b.example:8883".
  const reference = Buffer.from("b.example:8883").toString("hex");
  await using server = await RawServer.start({
    onConnect: (connection) => connection.send(`e0 13 9d 11 1c 000e ${reference}`),
  });
  await using rig = new Rig({ url: server.url });
  await rig.until("down", () => rig.uplink.status().state === "down");
  assert.match(rig.uplink.status().error ?? "", /the server has moved \(0x9d\); change uplink.url to b.example:8883$/);
});
