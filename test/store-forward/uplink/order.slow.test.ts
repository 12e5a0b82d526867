/** Order, window, acknowledgements and refusals, against a server of hand-written bytes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { plainRecord } from "../../../core/record.ts";
import type { Rejection } from "../../../store-forward/uplink/options.ts";
import { answerPublish, type Publish, type RawConnection, RawServer } from "./raw-server.ts";
import { filled, isRecord, keyOf, keysOf, PREFIX, Rig, soon } from "./rig.ts";

/** Answers presence at once and leaves records to the test. */
function holdRecords(publish: Publish): string | undefined {
  return isRecord(publish) ? undefined : answerPublish(publish);
}

test("births and state come first, retained at QoS 1; then critical, telemetry, bulk, each by seq", async () => {
  await using server = await RawServer.start();
  const queue = filled({ b: 2, t: 3, c: 2 });
  queue.birthPayloads = [Buffer.from('{"old":1}'), Buffer.from('{"current":1}')];
  await using rig = new Rig({ url: server.url, uplink: { queue } });
  await rig.until("all acknowledged", () => queue.waiting() === 0);
  const seen = server.publishes.map(
    (p) => `${p.topic.slice(PREFIX.length + 1)} ${p.qos}${p.retain ? " retained" : ""}`,
  );
  assert.deepEqual(seen, [
    "birth 1 retained",
    "birth 1 retained",
    "state 1 retained",
    ...["event/meter-1 2", "event/meter-1 2"],
    ...["data/meter-1 1", "data/meter-1 1", "data/meter-1 1", "data/meter-1 1", "data/meter-1 1"],
  ]);
  assert.equal(server.publishes[1]?.payload.toString(), '{"current":1}');
  assert.match(server.publishes[2]?.payload.toString() ?? "", /^\{"state":"online","boot":17,"conn":1,"ts":\d{13}\}$/);
  assert.deepEqual(keysOf(server.publishes), ["c1", "c2", "t1", "t2", "t3", "b1", "b2"]);
  for (const publish of server.publishes.filter(isRecord)) {
    const [stream, seq] = [keyOf(publish)[0], Number(keyOf(publish).slice(1))];
    assert.deepEqual(plainRecord(publish.payload), queue.plain(stream as "c", seq));
  }
});

test("no more than the window is under way, and one slot of it is critical's own", async () => {
  let held: [Publish, RawConnection][] = [];
  await using server = await RawServer.start({
    onPublish: (publish, connection) => {
      if (!isRecord(publish)) return answerPublish(publish);
      held.push([publish, connection]);
      return undefined;
    },
  });
  const queue = filled({ t: 50 });
  await using rig = new Rig({ url: server.url, config: { window: 5, qos: { critical: 1 } }, uplink: { queue } });
  await soon("telemetry fills all but one slot", () => held.length === 4);
  queue.seal("c");
  queue.seal("c");
  await soon("critical takes the last slot", () => held.length === 5);
  assert.deepEqual(keysOf(server.publishes), ["t1", "t2", "t3", "t4", "c1"]);
  assert.equal(rig.uplink.status().inflight, 5);
  // Out of order: only what is acknowledged leaves, and what follows keeps its order.
  for (const at of [2, 0, 4]) held[at]![1].send(answerPublish(held[at]![0]));
  await soon("refilled", () => held.length === 8);
  assert.deepEqual(queue.ackOrder, ["t3", "t1", "c1"]);
  assert.deepEqual(keysOf(server.publishes).slice(5), ["c2", "t5", "t6"]);
  while (queue.waiting() > 0) {
    const now = held.splice(0);
    for (const [publish, connection] of now) connection.send(answerPublish(publish));
    await soon("more comes", () => held.length > 0 || queue.waiting() === 0);
    assert.ok(rig.uplink.status().inflight <= 5);
  }
  held = [];
});

test("the server's Receive Maximum and packet limit count", async () => {
  let most = 0;
  let under = 0;
  await using server = await RawServer.start({
    // Properties: 0x21 Receive Maximum 3, 0x27 Maximum Packet Size 400, 0x24 Maximum QoS 1.
    connack: "20 0d 00 00 0a 21 00 03 27 00 00 01 90 24 01",
    onPublish: (publish, connection) => {
      under++;
      most = Math.max(most, under);
      setImmediate(() => {
        under--;
        connection.send(answerPublish(publish));
      });
      return undefined;
    },
  });
  const queue = filled({ t: 20, c: 5 });
  const { randomBytes } = await import("node:crypto");
  queue.seal("t", { fill: randomBytes(400).toString("base64") });
  queue.seal("t");
  const rejections: Rejection[] = [];
  const onRejected = (rejection: Rejection): boolean => {
    rejections.push(rejection);
    queue.reject(rejection.stream, rejection.at);
    return true;
  };
  await using rig = new Rig({ url: server.url, uplink: { queue, onRejected } });
  await rig.until("all is gone", () => queue.waiting() === 0);
  assert.equal(most, 3);
  assert.equal(rig.uplink.status().window, 3);
  assert.ok(server.publishes.every(({ qos }) => qos === 1));
  assert.match(rig.uplink.status().warning ?? "", /the server offers QoS 1 at most/);
  assert.deepEqual(
    rejections.map(({ stream, at, reasonCode }) => [stream, at.seq, reasonCode]),
    [["t", 21, 0x95]],
  );
  assert.ok(!keysOf(server.publishes).includes("t21"), "what is too large is not sent");
  assert.equal(keysOf(server.publishes).at(-1), "t22");
});

test("after a lost link the unacknowledged go first, the acknowledged never again, all with the same bytes", async () => {
  await using server = await RawServer.start({
    onPublish: (publish, connection) => {
      if (!isRecord(publish) || server.connections.length > 1) return answerPublish(publish);
      if (keyOf(publish) === "t9") setImmediate(() => connection.socket.destroy());
      return ["t2", "t5"].includes(keyOf(publish)) ? answerPublish(publish) : undefined;
    },
  });
  const queue = filled({ t: 12 });
  await using rig = new Rig({ url: server.url, config: { window: 10 }, uplink: { queue } });
  await rig.until("all acknowledged", () => queue.waiting() === 0);
  assert.deepEqual(queue.ackOrder.slice(0, 2), ["t2", "t5"]);
  const again = server.connections[1]!.publishes.filter(isRecord);
  assert.deepEqual(again.map(keyOf), ["t1", "t3", "t4", "t6", "t7", "t8", "t9", "t10", "t11", "t12"]);
  for (const publish of again) {
    assert.deepEqual(plainRecord(publish.payload), queue.plain("t", Number(keyOf(publish).slice(1))));
  }
  assert.equal(rig.uplink.status().conn, 2);
});

test("PUBREC alone acknowledges nothing; PUBCOMP does", async () => {
  const released: string[] = [];
  await using server = await RawServer.start({
    onPublish: (publish, connection) => {
      if (!isRecord(publish)) return answerPublish(publish);
      // Sees the PUBREL before the server's own PUBCOMP leaves.
      connection.socket.prependListener("data", () => released.push(queue.ackOrder.join()));
      return answerPublish(publish);
    },
  });
  const queue = filled({ c: 1 });
  await using rig = new Rig({ url: server.url, uplink: { queue } });
  await rig.until("acknowledged", () => queue.waiting() === 0);
  assert.equal(released[0], "", "nothing was acknowledged when PUBREL arrived");
});

test("a server that never acknowledges is stalled: the link is replaced, nothing leaves the queue", async () => {
  await using server = await RawServer.start({ onPublish: holdRecords });
  const queue = filled({ t: 3 });
  await using rig = new Rig({ url: server.url, uplink: { queue, timing: { stallMs: 25 } } });
  await soon("three links", () => server.connections.length >= 3);
  assert.equal(queue.ackOrder.length, 0);
  assert.deepEqual(keysOf(server.publishes).slice(0, 6), ["t1", "t2", "t3", "t1", "t2", "t3"]);
  await rig.until("stalled", () => rig.uplink.status().state === "stalled");
  assert.match(rig.uplink.status().error ?? "", /no acknowledgement in 25 ms/);
});

test("a refusal holds its stream, names reason and remedy, and the others go on", async () => {
  let quota = 3;
  const triesMs: number[] = [];
  await using server = await RawServer.start({
    onPublish: (publish, connection) => {
      const refuse = isRecord(publish) && keyOf(publish) === "t2" && quota-- > 0;
      if (isRecord(publish) && keyOf(publish) === "t2") triesMs.push(performance.now());
      return refuse ? answerPublish(publish, connection, 0x97) : answerPublish(publish);
    },
  });
  const queue = filled({ t: 4 });
  const rejected: Rejection[] = [];
  const onRejected = (rejection: Rejection): boolean => rejected.push(rejection) > 0;
  const timing = { retryRefusedMs: 10 };
  await using rig = new Rig({
    url: server.url,
    config: { qos: { critical: 1 } },
    uplink: { queue, onRejected, timing },
  });
  await rig.until("refused", () => rig.uplink.status().state === "refused");
  assert.match(rig.uplink.status().error ?? "", /stream t record k3f9a1c2\/2: a quota is used up \(0x97\); raise the/);
  queue.seal("c");
  await rig.until("critical passes", () => queue.ackOrder.includes("c1"));
  await rig.until("all pass", () => queue.waiting() === 0);
  assert.equal(rejected.length, 0, "a quota is no reason to give a record up");
  assert.equal(rig.uplink.status().state, "up");
  const waitsMs = triesMs.slice(1).map((time, at) => time - triesMs[at]!);
  assert.equal(waitsMs.length, 3);
  for (const [at, least] of [10, 20, 40].entries()) assert.ok(waitsMs[at]! >= least - 2, `waits ${waitsMs.join()} ms`);
  assert.equal(rig.uplink.status().conn, 1);
});

test("0x90 and 0x99 hand the record to the dead letters; without these it is held", async () => {
  await using server = await RawServer.start({
    onPublish: (publish, connection) => {
      const code = { t1: 0x90, t4: 0x99 }[isRecord(publish) ? keyOf(publish) : ""];
      return code === undefined ? answerPublish(publish) : answerPublish(publish, connection, code);
    },
  });
  const queue = filled({ t: 5 });
  const seen: unknown[] = [];
  const onRejected = ({ stream, at, reasonCode }: Rejection): boolean => {
    seen.push([stream, at.seq, reasonCode]);
    queue.reject(stream, at);
    return true;
  };
  await using rig = new Rig({ url: server.url, uplink: { queue, onRejected } });
  await rig.until("the rest passes", () => queue.waiting() === 0);
  assert.deepEqual(seen, [
    ["t", 1, 0x90],
    ["t", 4, 0x99],
  ]);
  assert.deepEqual(queue.ackOrder, ["t2", "t3", "t5"]);
  await using held = new Rig({ url: server.url, uplink: { queue: filled({ t: 2 }) } });
  await held.until("held", () => held.uplink.status().state === "refused");
  assert.match(held.uplink.status().error ?? "", /record k3f9a1c2\/1: the topic is not accepted \(0x90\)/);
});

test("reason 0x10 counts, with a warning", async () => {
  await using server = await RawServer.start({
    onPublish: (publish, connection) =>
      isRecord(publish) ? answerPublish(publish, connection, 0x10) : answerPublish(publish),
  });
  const queue = filled({ t: 2, c: 2 });
  await using rig = new Rig({ url: server.url, uplink: { queue } });
  await rig.until("acknowledged", () => queue.waiting() === 0);
  assert.match(
    rig.uplink.status().warning ?? "",
    /nobody subscribes to the records on the server; check that the bridge/,
  );
});

test("five connections closed on the same record convict it, and no other", async () => {
  await using server = await RawServer.start({
    onPublish: (publish, connection) => {
      if (!isRecord(publish) || keyOf(publish) !== "t3") return answerPublish(publish);
      // What MQTT 5 has for a packet too large: there is no PUBACK with 0x95.
      connection.socket.end(Buffer.from("e00195", "hex"));
      return undefined;
    },
  });
  const queue = filled({ t: 8, c: 1 });
  const seen: Rejection[] = [];
  const onRejected = (rejection: Rejection): boolean => {
    seen.push(rejection);
    queue.reject(rejection.stream, rejection.at);
    return true;
  };
  const timing = { backoffFirstMs: 1, backoffMaxMs: 1 };
  await using rig = new Rig({ url: server.url, uplink: { queue, onRejected, timing } });
  await rig.until("the rest passes", () => queue.waiting() === 0);
  assert.deepEqual(
    seen.map(({ stream, at, reasonCode }) => [stream, at.seq, reasonCode]),
    [["t", 3, undefined]],
  );
  assert.match(seen[0]?.text ?? "", /5 connections were closed on it/);
  assert.ok(server.connections.length >= 6);
});

test("a queue that cannot be read is told and asked again; the link stays", async () => {
  await using server = await RawServer.start();
  const queue = filled({ t: 2 });
  queue.failure = new Error("disk gone");
  await using rig = new Rig({ url: server.url, uplink: { queue, timing: { stallMs: 5000 } } });
  await rig.until("told", () => /cannot be read: disk gone/.test(rig.uplink.status().warning ?? ""));
  queue.failure = undefined;
  await rig.until("acknowledged", () => queue.waiting() === 0);
  assert.equal(rig.uplink.status().conn, 1);
});
