import assert from "node:assert/strict";
import { once } from "node:events";
import test from "node:test";
import { MessageChannel, Worker } from "node:worker_threads";
import type { FromStatus, Snapshot } from "../../../daemon/status/protocol.ts";
import { METER_VALUES, statusInit, store, until } from "./messages.ts";

test("the worker says ready, serves what both threads tell it, survives nonsense, and stops when told", async (t) => {
  const channel = new MessageChannel();
  const { port1: storage, port2: ours } = channel;
  t.after(() => ours.close());
  const worker = new Worker(new URL("../../../daemon/status/thread.ts", import.meta.url), {
    workerData: statusInit({ storage }),
    transferList: [storage],
  });
  t.after(() => worker.terminate());
  const [ready] = (await once(worker, "message")) as [FromStatus];
  assert.equal(ready.type, "ready");
  if (ready.type !== "ready") return;
  assert.deepEqual(ready.problems, []);
  worker.postMessage(METER_VALUES);
  worker.postMessage({ type: "values" });
  worker.postMessage(null);
  worker.postMessage({ type: "no such type" });
  ours.postMessage(store(4711));
  let snapshot: Snapshot | undefined;
  const poll = async (): Promise<void> => {
    snapshot = (await (await fetch(`http://127.0.0.1:${ready.httpPort}/api/status`)).json()) as Snapshot;
    if (snapshot.outbox === undefined) await poll();
  };
  await poll();
  assert.equal(snapshot?.outbox?.durable_until, 4711);
  assert.equal(snapshot?.assets["meter-1"]?.values["Power.Active.Import"]?.v, 7361);
  const said: FromStatus[] = [];
  worker.on("message", (message: FromStatus) => said.push(message));
  const exit = once(worker, "exit");
  worker.postMessage({ type: "stop" });
  await until(() => said.some(({ type }) => type === "stopped"));
  assert.deepEqual(await exit, [0]);
});
