import assert from "node:assert/strict";
import { test } from "node:test";
import type { SealedRecord } from "../../../store-forward/queue.ts";
import { Hold } from "../../../store-forward/uplink/hold.ts";
import { Lane } from "../../../store-forward/uplink/lane.ts";
import { MemoryQueue } from "../../support/memory-queue.ts";

function laneOf(records: number): { readonly queue: MemoryQueue; readonly lane: Lane } {
  const queue = new MemoryQueue();
  for (let i = 0; i < records; i++) queue.seal("t");
  return { queue, lane: new Lane({ queue, stream: "t", qos: 1, hold: new Hold(1000), readAhead: 2 }) };
}

function send(lane: Lane): SealedRecord {
  const record = lane.next(0);
  assert.ok(record !== undefined);
  lane.sent(record, 100, 0);
  return record;
}

test("what comes next is read while acknowledgements are awaited, once", () => {
  const { queue, lane } = laneOf(5);
  lane.lookAhead();
  assert.equal(queue.reads, 0, "nothing is awaited");
  send(lane);
  send(lane);
  assert.equal(queue.reads, 1);
  lane.lookAhead();
  lane.lookAhead();
  assert.equal(queue.reads, 2);
  assert.equal(send(lane).seq, 3);
  assert.equal(queue.reads, 2);
});

test("a refused stream does not look ahead", () => {
  const { queue, lane } = laneOf(5);
  const [first] = [send(lane), send(lane)];
  lane.hold(first as SealedRecord, 0);
  const { reads } = queue;
  lane.lookAhead();
  assert.equal(queue.reads, reads);
});

test("what was read is told as spent when all of it was sent, and never what is read again", () => {
  const { queue, lane } = laneOf(7);
  const spent: number[] = [];
  queue.spent = (records) => spent.push(...records.map(({ seq }) => seq));
  const sent = [send(lane), send(lane)];
  const second = sent[1] as SealedRecord;
  assert.deepEqual(spent, [], "the second may have to be framed yet");
  sent.push(send(lane));
  assert.deepEqual(spent, [1, 2]);
  lane.hold(second, 0);
  for (const seq of [1, 3]) lane.acked(sent[seq - 1] as SealedRecord);
  assert.equal(lane.next(2000)?.seq, 2);
  assert.deepEqual(spent, [1, 2], "of 3 and 4 one was not sent");
});
