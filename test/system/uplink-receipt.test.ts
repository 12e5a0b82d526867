/** The storage thread with `prune_on: receipt`: the outbox keeps what the cloud has not confirmed, over a crash, too. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Worker } from "node:worker_threads";
import { plainRecord } from "../../core/record.ts";
import { birthIdOf } from "../../core/signals.ts";
import { storeConfig, uplinkConfig } from "../../store-forward/config.ts";
import type {
  FromStorage,
  OutboxStatus,
  StorageInit,
  StorageReport,
  UplinkStatus,
} from "../../store-forward/protocol.ts";
import { BIRTH, batch, bench, GATEWAY, packed, T0 } from "../store-forward/outbox/support.ts";
import { RawServer } from "../store-forward/uplink/raw-server.ts";
import { PREFIX, soon } from "../store-forward/uplink/rig.ts";

const WAIT_MS = 10_000;

function startThread(t: TestContext, path: string, url: string) {
  const workerData: StorageInit = {
    gateway: GATEWAY,
    software: "busbar 0.1.0",
    birth: BIRTH,
    birthId: birthIdOf(BIRTH),
    store: storeConfig.parse({ path, commit_interval: "50 ms", min_free: "0 B" }),
    uplink: uplinkConfig.parse({ url, publish_interval: "250 ms", prune_on: "receipt" }),
    synced: true,
  };
  const worker = new Worker(new URL("../../store-forward/thread.ts", import.meta.url), { workerData });
  t.after(() => worker.terminate());
  const told: { outbox?: OutboxStatus; uplink?: UplinkStatus; epoch?: string } = {};
  worker.on("message", (message: FromStorage | StorageReport) => {
    if (message.type === "ready") told.epoch = message.epoch;
    if (message.type === "store") Object.assign(told, { outbox: message.outbox, uplink: message.uplink });
  });
  const give = (value: number): void => {
    const message = { type: "batches", ...packed(batch(T0 + value, [1, value])), watermark: T0 + value, synced: true };
    worker.postMessage(message);
  };
  return { worker, told, give };
}

test("records stay until the receipt, are sent again the same after a crash, and leave with it", async (t) => {
  const { path } = bench(t);
  await using server = await RawServer.start();
  const records = () => {
    const data = server.publishes.filter(({ topic }) => topic.includes("/data/"));
    return data.map(({ payload }) => plainRecord(payload).toString());
  };
  const first = startThread(t, path, server.url);
  first.give(1);
  await soon("the first is sent", () => records().length === 1, WAIT_MS);
  first.give(2);
  await soon("the second is sent", () => records().length === 2, WAIT_MS);
  await soon("both are acknowledged", () => first.told.uplink?.records_acked === 2, WAIT_MS);
  assert.equal(first.told.outbox?.waiting, 2);
  await first.worker.terminate();

  const second = startThread(t, path, server.url);
  await soon("both are sent again", () => records().length === 4, WAIT_MS);
  assert.deepEqual(records().slice(2), records().slice(0, 2));
  const { epoch } = second.told;
  const link = () => server.connections.at(-1)!;
  link().publish(`${PREFIX}/receipt`, `{"epoch":"${epoch}","upto":{"c":0,"t":1,"b":0}}`);
  await soon("the first leaves", () => second.told.outbox?.waiting === 1, WAIT_MS);
  assert.deepEqual(second.told.outbox?.streams.t, { next: 3, acked: 1 });
  assert.equal(second.told.uplink?.receipts?.taken, 1);

  // Ahead of all that was given out: what is stored gets a new epoch, over a new connection.
  link().publish(`${PREFIX}/receipt`, `{"epoch":"${epoch}","upto":{"c":0,"t":9,"b":0}}`);
  await soon("sealed anew and sent", () => records().length === 5, WAIT_MS);
  const last = JSON.parse(records()[4]!) as { epoch: string; seq: number; g: unknown };
  assert.notEqual(last.epoch, epoch);
  assert.deepEqual([last.seq, last.g], [1, (JSON.parse(records()[1]!) as { g: unknown }).g]);
  await soon("told", () => second.told.outbox?.epoch === last.epoch, WAIT_MS);
});
