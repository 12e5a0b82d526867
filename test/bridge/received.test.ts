import assert from "node:assert/strict";
import { test } from "node:test";
import { Unacked } from "../../bridge/mqtt/received.ts";

function unacked() {
  const told: (readonly number[])[] = [];
  const waiting = new Unacked((ids) => told.push(ids));
  const arrived = { topic: "a", payload: Buffer.from("x"), life: 1, arrivedMs: 5 };
  return { told, waiting, take: (id: number | undefined) => waiting.take(arrived, id) };
}

const turn = (): Promise<void> => new Promise((resolve) => queueMicrotask(resolve));

test("acknowledged in the order of arrival, whatever the order in which they are done, and once for each batch", async () => {
  const { told, take } = unacked();
  const [first, second, third, fourth] = [take(7), take(3), take(9), take(4)];
  second.ack();
  third.ack();
  await turn();
  assert.deepEqual(told, [], "the first is not done");
  first.ack();
  assert.deepEqual(told, [], "the rest of the batch is waited for");
  await turn();
  assert.deepEqual(told, [[7, 3, 9]]);
  fourth.ack();
  await turn();
  assert.deepEqual(told, [[7, 3, 9], [4]]);
});

test("at QoS 0 nobody waits, and holds nobody up", async () => {
  const { told, take } = unacked();
  take(undefined).ack();
  const next = take(2);
  take(undefined);
  next.ack();
  await turn();
  assert.deepEqual(told, [[2]]);
});

test("what is due goes at once when the connection is closed", () => {
  const { told, take, waiting } = unacked();
  take(1).ack();
  take(2);
  waiting.flush();
  assert.deepEqual(told, [[1]]);
  waiting.flush();
  assert.deepEqual(told, [[1]]);
});
