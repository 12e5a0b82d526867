/** Whom a server blames that closes connections: never the whole outbox. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Rejection } from "../../../store-forward/uplink/options.ts";
import { answerPublish, RawServer } from "./raw-server.ts";
import { filled, isRecord, Rig } from "./rig.ts";

/** Links that a server closes on every record; what was given up meanwhile, and what is left. */
async function closing(
  disconnect: string,
  connections: number,
): Promise<{ given: number; left: number; text: string }> {
  await using server = await RawServer.start({
    onPublish: (publish, { socket }) => {
      if (!isRecord(publish)) return answerPublish(publish);
      socket.end(Buffer.from(disconnect, "hex"));
      return undefined;
    },
  });
  const queue = filled({ t: 50 });
  let given = 0;
  const onRejected = ({ stream, at }: Rejection): boolean => {
    given++;
    queue.reject(stream, at);
    return true;
  };
  const timing = { backoffFirstMs: 1, backoffMaxMs: 1 };
  await using rig = new Rig({ url: server.url, uplink: { queue, onRejected, timing } });
  await rig.until("many links", () => server.connections.length >= connections, 30_000);
  return { given, left: queue.waiting(), text: rig.uplink.status().error ?? "" };
}

test("a server that closes on every record, as for an access list over 3.1.1, does not empty the outbox", async () => {
  const { given, left } = await closing("", 80);
  // 5, 10, 20 and 40 closed connections: one that is to blame passes on quickly, all cannot be.
  assert.ok(given >= 1 && given <= 4, `${given} given up`);
  assert.equal(left, 50 - given);
});

// Not authorised, busy, shutting down, keep alive timeout, taken over, rate, quota, administrator, moved, connection rate.
for (const code of [0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x96, 0x97, 0x98, 0x9c, 0x9f]) {
  test(`DISCONNECT 0x${code.toString(16)} blames no record`, async () => {
    const { given, left } = await closing(`e001${code.toString(16)}`, 12);
    assert.deepEqual([given, left], [0, 50]);
  });
}

test("where a server closes right behind a refusal, the other streams go on over the next link", async () => {
  await using server = await RawServer.start({
    onPublish: (publish, { socket }) => {
      if (!isRecord(publish) || publish.qos === 1) return answerPublish(publish);
      // As Mosquitto 2.0 does with max_queued_messages 0.
      socket.end(Buffer.from(answerPublish(publish, undefined, 0x87).replaceAll(" ", ""), "hex"));
      return undefined;
    },
  });
  const queue = filled({ c: 2, t: 30 });
  const timing = { backoffFirstMs: 1, backoffMaxMs: 1, retryRefusedMs: 50 };
  await using rig = new Rig({ url: server.url, uplink: { queue, timing } });
  await rig.until("telemetry flows", () => queue.ackOrder.length === 30);
  assert.ok(queue.ackOrder.every((key) => key.startsWith("t")));
  assert.equal(queue.waiting(), 2);
});
