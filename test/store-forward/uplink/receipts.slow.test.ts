/** `prune_on: receipt`: what leaves the queue, what is sent again, what is given up. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { plainRecord } from "../../../core/record.ts";
import type { Receipt, Rejection } from "../../../store-forward/uplink/options.ts";
import { Unreceipted } from "../../../store-forward/uplink/unreceipted.ts";
import { MemoryQueue } from "../../support/memory-queue.ts";
import { answerPublish, type Publish, RawServer } from "./raw-server.ts";
import { PREFIX, Rig, soon } from "./rig.ts";

const EPOCH = "k3f9a1c2";
const ALIVE = "busbar/v1/d8/bridge/alive";
const MINUTE_MS = 60_000;

function filled(count: number): MemoryQueue {
  const queue = new MemoryQueue();
  for (let i = 0; i < count; i++) queue.seal("t");
  return queue;
}

/** A ledger with a clock of its own, which has seen `count` records acknowledged at time 0. */
function ledger(count: number) {
  const queue = filled(count);
  const clock = { ms: 0 };
  const book = new Unreceipted({ queue, monoMs: () => clock.ms, dueMs: 5 * MINUTE_MS, aliveMs: 3 * MINUTE_MS });
  const records = queue.read("t", undefined, count);
  for (const record of records) book.acked(record);
  /** Minute by minute, the bridge alive or not; what was due when. */
  const pass = (minutes: number, alive: boolean): string[] => {
    const told: string[] = [];
    for (let i = 0; i < minutes; i++) {
      clock.ms += MINUTE_MS;
      if (alive) book.bridgeAlive();
      const { again, rejected } = book.due();
      const minute = clock.ms / MINUTE_MS;
      if (again.size > 0)
        told.push(`${minute} again ${records.filter((record) => !book.waits(record)).map(({ seq }) => seq)}`);
      for (const { seq } of rejected) told.push(`${minute} rejected ${seq}`);
      for (const record of records) if (again.size > 0 && !book.waits(record)) book.acked(record);
    }
    return told;
  };
  return { queue, book, records, clock, pass };
}

test("five minutes of an alive bridge, not of a silent one, make a record due; three resends give the oldest up", () => {
  const { pass, book } = ledger(3);
  assert.deepEqual(pass(60, false), [], "a bridge that is away is waited for");
  // Alive from minute 61 on.
  assert.deepEqual(pass(5, true), []);
  assert.deepEqual(pass(1, true), ["66 again 1,2,3"]);
  book.receipt({ epoch: "zzzzzzzz", upto: { c: 9, t: 9, b: 9 } });
  assert.deepEqual(pass(10, true), ["71 again 1,2,3", "76 again 1,2,3"]);
  assert.deepEqual(pass(5, true), ["81 rejected 1"]);
  book.forget({ stream: "t", epoch: EPOCH, seq: 1 });
  assert.deepEqual(pass(4, true), [], "one in five minutes");
  assert.deepEqual(pass(1, true), ["86 rejected 2"]);
  book.receipt({ epoch: EPOCH, upto: { c: 0, t: 3, b: 0 } });
  assert.deepEqual(pass(30, true), []);
});

test("a bridge that was alive and is gone is waited for, and then its five minutes begin anew", () => {
  const { pass } = ledger(2);
  assert.deepEqual(pass(4, true), []);
  assert.deepEqual(pass(3, false), ["6 again 1,2"], "for three minutes it counts as alive");
  assert.deepEqual(pass(30, false), []);
  assert.deepEqual(pass(5, true), []);
  assert.deepEqual(pass(1, true), ["43 again 1,2"]);
});

test("reading begins behind what waits, and at its front again when it is due", () => {
  const { queue, book, pass, records, clock } = ledger(10);
  assert.deepEqual(book.floor("t"), { epoch: EPOCH, seq: 10 });
  queue.seal("t");
  book.acked(queue.read("t", { epoch: EPOCH, seq: 10 }, 1)[0]!);
  assert.deepEqual(book.floor("t"), { epoch: EPOCH, seq: 11 });
  book.bridgeAlive();
  clock.ms = 2 * MINUTE_MS;
  book.bridgeAlive();
  assert.deepEqual(pass(2, true), []);
  clock.ms = 5 * MINUTE_MS;
  book.due();
  assert.equal(book.floor("t"), undefined);
  assert.equal(book.waits(records[0]!), false);
  book.clear();
  assert.equal(book.floor("t"), undefined);
});

test("a stream pauses at 20,000 records without receipt", () => {
  const { book } = ledger(20_000);
  assert.equal(book.open("t"), false);
  assert.equal(book.open("c"), true);
  book.receipt({ epoch: EPOCH, upto: { c: 0, t: 1, b: 0 } });
  assert.equal(book.open("t"), true);
});

function seqsOf(server: RawServer): number[] {
  return server.publishes.filter(isRecord).map(({ payload }) => {
    return (JSON.parse(plainRecord(payload).toString()) as { seq: number }).seq;
  });
}

function isRecord({ topic }: Publish): boolean {
  return /\/data\//.test(topic);
}

/** What the storage thread does with a receipt. */
function pruner(queue: MemoryQueue): (receipt: Receipt) => boolean {
  return ({ epoch, upto }) => {
    if (epoch !== EPOCH) return false;
    for (const record of queue.read("t", undefined, 1000)) if (record.seq <= upto.t) queue.ack("t", record);
    return true;
  };
}

test("PUBACK alone prunes nothing; a receipt does; a new link does not send again what waits for one", async () => {
  await using server = await RawServer.start();
  const queue = filled(4);
  await using rig = new Rig({
    url: server.url,
    config: { prune_on: "receipt" },
    uplink: { queue, onReceipt: pruner(queue) },
  });
  await soon("all sent", () => seqsOf(server).length === 4);
  assert.equal(await rig.uplink.drained(AbortSignal.timeout(1000)), true, "nothing is left to send");
  assert.equal(queue.waiting(), 4);
  const link = server.connections[0]!;
  link.publish(`${PREFIX}/receipt`, "garbage");
  link.publish(`${PREFIX}/receipt`, '{"epoch":"zzzzzzzz","upto":{"t":4}}');
  link.publish(`${PREFIX}/receipt`, `{"epoch":"${EPOCH}","upto":{"c":0,"t":2,"b":0}}`);
  await rig.until("pruned", () => queue.waiting() === 2);
  assert.deepEqual(rig.uplink.status().receipts, { taken: 1, ignored: 2 });
  link.socket.destroy();
  await rig.until("up again", () => rig.uplink.status().conn === 2 && rig.uplink.status().state === "up");
  queue.seal("t");
  await soon("the new one is sent", () => seqsOf(server).length === 5);
  assert.deepEqual(seqsOf(server), [1, 2, 3, 4, 5]);
  await rig.stop();
  // The next process knows no acknowledgements.
  await using next = new Rig({ url: server.url, config: { prune_on: "receipt" }, uplink: { queue } });
  await soon("sent again", () => seqsOf(server).length === 8);
  assert.deepEqual(seqsOf(server).slice(5), [3, 4, 5]);
  const payloads = server.publishes.filter(isRecord).map(({ payload }) => plainRecord(payload).toString());
  assert.equal(payloads[5], payloads[2], "the same bytes");
  assert.equal(next.queue.waiting(), 3);
});

test("what the bridge does not confirm is sent three times again, then its oldest is a dead letter", async () => {
  await using server = await RawServer.start({
    onPublish: (publish, connection) => {
      connection.publish(ALIVE, "");
      return answerPublish(publish);
    },
  });
  const queue = filled(2);
  const rejections: Rejection[] = [];
  const onRejected = (rejection: Rejection): boolean => {
    rejections.push(rejection);
    queue.reject(rejection.stream, rejection.at);
    return true;
  };
  const timing = { receiptDueMs: 40, bridgeAliveMs: 10_000 };
  await using rig = new Rig({
    url: server.url,
    config: { prune_on: "receipt" },
    uplink: { queue, onRejected, timing },
  });
  await rig.until("given up", () => rejections.length === 2);
  assert.deepEqual(
    rejections.map(({ at, text }) => [at.seq, text]),
    [1, 2].map((seq) => [seq, `stream t record ${EPOCH}/${seq}: sent four times without a receipt`]),
  );
  assert.deepEqual(seqsOf(server), [1, 2, 1, 2, 1, 2, 1, 2]);
  assert.equal(rig.uplink.status().conn, 1);
});

test("records wait until it is noted that they may have left", async () => {
  await using server = await RawServer.start();
  let writable = false;
  let asked = 0;
  const onRelease = (): boolean => {
    asked++;
    return writable;
  };
  const queue = filled(1);
  await using rig = new Rig({ url: server.url, uplink: { queue, onRelease, timing: { retryRefusedMs: 5 } } });
  await rig.until("told", () => asked > 3 && /until the outbox can be written/.test(rig.uplink.status().warning ?? ""));
  assert.deepEqual(seqsOf(server), []);
  writable = true;
  await rig.until("acknowledged", () => queue.waiting() === 0);
});
