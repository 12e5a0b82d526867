/** The storage thread with `prune_on: receipt`: the outbox keeps what the cloud has not confirmed, over a crash, too. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { plainRecord } from "../../core/record.ts";
import { batch, bench, T0 } from "../store-forward/outbox/support.ts";
import { RawServer } from "../store-forward/uplink/raw-server.ts";
import { PREFIX, soon } from "../store-forward/uplink/rig.ts";
import { StorageRun } from "../support/storage-run.ts";

const WAIT_MS = 10_000;

test("records stay until the receipt, are sent again the same after a crash, and leave with it", async (t) => {
  const { path } = bench(t);
  await using server = await RawServer.start();
  const records = () => {
    const data = server.publishes.filter(({ topic }) => topic.includes("/data/"));
    return data.map(({ payload }) => plainRecord(payload).toString());
  };
  const uplink = { url: server.url, prune_on: "receipt" };
  const first = new StorageRun(t, { path, uplink });
  first.give(batch(T0 + 1, [1, 1]));
  await soon("the first is sent", () => records().length === 1, WAIT_MS);
  first.give(batch(T0 + 2, [1, 2]));
  await soon("the second is sent", () => records().length === 2, WAIT_MS);
  await soon("both are acknowledged", () => first.uplink?.records_acked === 2, WAIT_MS);
  assert.equal(first.outbox?.waiting, 2);
  await first.kill();

  const second = new StorageRun(t, { path, uplink });
  await soon("both are sent again", () => records().length === 4, WAIT_MS);
  assert.deepEqual(records().slice(2), records().slice(0, 2));
  const { epoch } = second;
  const link = () => server.connections.at(-1)!;
  link().publish(`${PREFIX}/receipt`, `{"epoch":"${epoch}","upto":{"c":0,"t":1,"b":0}}`);
  await soon("the first leaves", () => second.outbox?.waiting === 1, WAIT_MS);
  assert.deepEqual(second.outbox?.streams.t, { next: 3, acked: 1 });
  assert.equal(second.uplink?.receipts?.taken, 1);

  // Ahead of all that was given out: what is stored gets a new epoch, over a new connection.
  link().publish(`${PREFIX}/receipt`, `{"epoch":"${epoch}","upto":{"c":0,"t":9,"b":0}}`);
  await soon("sealed anew and sent", () => records().length === 5, WAIT_MS);
  const last = JSON.parse(records()[4]!) as { epoch: string; seq: number; g: unknown };
  assert.notEqual(last.epoch, epoch);
  assert.deepEqual([last.seq, last.g], [1, (JSON.parse(records()[1]!) as { g: unknown }).g]);
  await soon("told", () => second.outbox?.epoch === last.epoch, WAIT_MS);
});
