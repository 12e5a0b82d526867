/** What servers may answer, or should not and do: none of it loses a record, ends the link for ever, or goes untold. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { plainRecord } from "../../../core/record.ts";
import type { Rejection } from "../../../store-forward/uplink/options.ts";
import { MemoryQueue } from "../../support/memory-queue.ts";
import { answerPublish, answerPubrel, type Publish, RawServer } from "./raw-server.ts";
import { filled, isRecord, keysOf, PREFIX, Rig, soon } from "./rig.ts";

test("a server that does not even acknowledge births and state is stalled", async () => {
  await using server = await RawServer.start({ onPublish: () => undefined });
  await using rig = new Rig({ url: server.url, uplink: { timing: { stallMs: 25 } } });
  await rig.until("three links", () => server.connections.length >= 3);
  await rig.until("told", () => rig.uplink.status().state === "stalled");
});

test("links that stall without an acknowledged record are dialled ever less often, however long each lives", async () => {
  const timesMs: number[] = [];
  await using server = await RawServer.start({
    onConnect: () => timesMs.push(performance.now()),
    onPublish: (publish) => (isRecord(publish) ? undefined : answerPublish(publish)),
  });
  const timing = { stallMs: 25, heldMs: 1, backoffFirstMs: 10, backoffMaxMs: 1000 };
  await using rig = new Rig({ url: server.url, uplink: { queue: filled({ t: 1 }), timing, random: () => 0.999 } });
  await rig.until("six links", () => timesMs.length >= 6, 10_000);
  // Behind the fifth the pause is 10 ms doubled four times.
  assert.ok(timesMs[5]! - timesMs[4]! >= 160 + 25 - 5, timesMs.map(Math.round).join());
});

test("over MQTT 3.1.1 one QoS 2 publish is under way at a time (decision 0001), and telemetry beside it", async () => {
  const held: Publish[] = [];
  await using server = await RawServer.start({
    onPublish: (publish) => {
      if (publish.qos !== 2) return answerPublish(publish);
      held.push(publish);
      return undefined;
    },
  });
  const queue = filled({ c: 3, t: 3 });
  await using rig = new Rig({ url: server.url, config: { protocol: "3.1.1" }, uplink: { queue } });
  for (const key of ["c1", "c2", "c3"]) {
    await rig.until("the next", () => held.length > 0 && rig.uplink.status().inflight === 1);
    assert.deepEqual(keysOf(held), [key]);
    for (const publish of held.splice(0)) server.connections[0]!.send(answerPublish(publish));
  }
  await rig.until("acknowledged", () => queue.waiting() === 0);
});

// Unspecified, the server's own limits, not authorised, identifier in use, rate, quota.
for (const code of [0x80, 0x83, 0x87, 0x91, 0x96, 0x97]) {
  test(`PUBACK and PUBREC 0x${code.toString(16)} acknowledge nothing`, async () => {
    await using server = await RawServer.start({
      onPublish: (publish, connection) => answerPublish(publish, connection, isRecord(publish) ? code : undefined),
    });
    const queue = filled({ c: 1, t: 1 });
    await using rig = new Rig({ url: server.url, uplink: { queue, timing: { retryRefusedMs: 5 } } });
    await rig.until("both were tried again", () => new Set(keysOf(server.publishes).slice(2)).size === 2);
    assert.deepEqual([queue.ackOrder, rig.uplink.status().state], [[], "refused"]);
  });
}

test("a second PUBREC is answered again and acknowledges nothing; nor does anything but the PUBCOMP after it", async () => {
  const released: string[] = [];
  await using server = await RawServer.start({
    onPublish: (publish) => {
      if (!isRecord(publish)) return answerPublish(publish);
      const pubrec = answerPublish(publish);
      const id = pubrec.slice(-4);
      return `40 02 ${id} 70 02 ${id} ${pubrec} ${pubrec} 40 02 ${id} 50 03 ${id} 97`;
    },
    onPubrel: (id) => {
      released.push(`${id}, ${queue.ackOrder.length} acknowledged`);
      return released.length < 2 ? "" : answerPubrel(id);
    },
  });
  const queue = new MemoryQueue();
  await using rig = new Rig({ url: server.url, uplink: { queue } });
  await rig.up();
  queue.seal("c");
  await rig.until("acknowledged", () => queue.waiting() === 0);
  const ids = server.publishes.filter(isRecord).map(({ id }) => id);
  assert.equal(ids.length, 1);
  assert.deepEqual(released, [`${ids[0]}, 0 acknowledged`, `${ids[0]}, 0 acknowledged`]);
  assert.equal(rig.uplink.status().conn, 1);
});

test("a PUBREL that the server does not know is tried again as a publish (MQTT 5 3.7.2.1, 0x92)", async () => {
  let refusals = 1;
  await using server = await RawServer.start({
    onPubrel: (id) => answerPubrel(id, refusals-- > 0 ? 0x92 : undefined),
  });
  const queue = filled({ c: 2 });
  await using rig = new Rig({ url: server.url, uplink: { queue, timing: { retryRefusedMs: 5 } } });
  await rig.until("acknowledged", () => queue.waiting() === 0);
  assert.deepEqual(keysOf(server.publishes), ["c1", "c2", "c1"]);
  const bytes = server.publishes.filter(isRecord).map(({ payload }) => plainRecord(payload).toString());
  assert.equal(bytes[2], bytes[0]);
});

test("acknowledgements of identifiers that nobody uses are nothing", async () => {
  await using server = await RawServer.start({
    onPublish: (publish) => {
      const unknown = "40 02 7777 50 02 7777 70 02 7777 40 03 7778 87 50 03 7778 87 90 04 7779 00 01 b0 04 777a 00 00";
      return `${unknown} ${answerPublish(publish)}`;
    },
  });
  const queue = filled({ t: 3, c: 3 });
  await using rig = new Rig({ url: server.url, uplink: { queue } });
  await rig.until("acknowledged", () => queue.waiting() === 0);
  assert.equal(rig.uplink.status().conn, 1);
  assert.equal(rig.uplink.status().state, "up");
});

test("a SUBACK that refuses the receipt is told, and records flow", async () => {
  await using server = await RawServer.start({ granted: "87 01" });
  const queue = filled({ t: 2 });
  await using rig = new Rig({ url: server.url, uplink: { queue } });
  await rig.until("acknowledged", () => queue.waiting() === 0);
  await rig.until("told", () => rig.uplink.status().warning !== undefined);
  const { warning } = rig.uplink.status();
  assert.equal(warning, `the server refuses to subscribe ${PREFIX}/receipt; allow it`);
});

test("a link that ends before its SUBACK is no refusal of topics", async () => {
  await using server = await RawServer.start({
    noSuback: true,
    onPublish: (publish, connection) => {
      setImmediate(() => connection.socket.destroy());
      return answerPublish(publish);
    },
  });
  await using rig = new Rig({ url: server.url });
  await soon("several links", () => server.connections.length > 4);
  assert.ok(!rig.logged.some(({ text }) => /subscribe/.test(text)), JSON.stringify(rig.logged));
});

test("an access list that refuses only gaps holds the critical stream, and telemetry flows", async () => {
  let refuse = true;
  await using server = await RawServer.start({
    onPublish: (publish, connection) =>
      answerPublish(publish, connection, refuse && publish.topic.endsWith("/gap") ? 0x87 : undefined),
  });
  const queue = new MemoryQueue();
  queue.seal("c", { kind: "gap", asset: null });
  queue.seal("c");
  for (let i = 0; i < 5; i++) queue.seal("t");
  const rejected: Rejection[] = [];
  const onRejected = (rejection: Rejection): boolean => rejected.push(rejection) > 0;
  await using rig = new Rig({ url: server.url, uplink: { queue, onRejected, timing: { retryRefusedMs: 5 } } });
  await rig.until("telemetry flows", () => queue.ackOrder.filter((key) => key.startsWith("t")).length === 5);
  await rig.until("held", () => rig.uplink.status().state === "refused");
  assert.match(rig.uplink.status().error ?? "", /stream c record k3f9a1c2\/1: not authorised \(0x87\); check/);
  refuse = false;
  await rig.until("all", () => queue.waiting() === 0);
  assert.deepEqual(rejected, []);
  assert.equal(rig.uplink.status().state, "up");
});

test("what breaks the protocol after CONNACK is no refusal of ours", async () => {
  const big = "x".repeat(70_000);
  await using server = await RawServer.start({
    onSubscribe: (connection) => connection.publish(`${PREFIX}/receipt`, big),
  });
  await using rig = new Rig({ url: server.url });
  await soon("several links", () => server.connections.length > 2);
  await rig.until("down", () => rig.uplink.status().state === "down");
  assert.match(
    rig.uplink.status().error ?? "",
    /the server broke the protocol, exceeding packets size publish: 70\d+ bytes/,
  );
  assert.doesNotMatch(rig.uplink.status().error ?? "", /raise the server's/);
});
