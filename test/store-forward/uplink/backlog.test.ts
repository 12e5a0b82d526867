import assert from "node:assert/strict";
import { test } from "node:test";
import { SystemClock } from "../../../core/clock.ts";
import { uplinkConfig } from "../../../store-forward/config.ts";
import { Backlog } from "../../../store-forward/uplink/backlog.ts";
import type { UplinkOptions } from "../../../store-forward/uplink/options.ts";
import { SettledByServer } from "../../../store-forward/uplink/settlement.ts";
import { MemoryQueue } from "../../support/memory-queue.ts";

const NOW_MS = 1_800_000_000_000;

function backlog(config: object = {}) {
  const queue = new MemoryQueue();
  const under = { way: 0 };
  const clock = new SystemClock();
  clock.wallUs = () => NOW_MS * 1000;
  const uplink = {
    ...{ queue, clock },
    config: uplinkConfig.parse({ url: "mqtt://127.0.0.1:1883", publish_interval: "10 s", ...config }),
  } as Partial<UplinkOptions> as UplinkOptions;
  const settlement = new SettledByServer(queue);
  return { queue, under, of: new Backlog({ uplink, settlement, inFlight: () => under.way }) };
}

test("a backlog stands when the oldest record is older than three publish intervals", () => {
  const { queue, of } = backlog();
  assert.equal(of.stands, false, "nothing is there");
  queue.seal("b", { sealedMs: NOW_MS - 30_000 });
  queue.seal("c", { sealedMs: NOW_MS });
  assert.equal(of.stands, false);
  queue.seal("t", { sealedMs: NOW_MS - 30_001 });
  assert.equal(of.stands, true);
});

test("bulk that a metered link leaves in the outbox is no backlog, and is not waited for", async () => {
  const { queue, of } = backlog({ link: "metered" });
  queue.seal("b", { sealedMs: 0 });
  assert.equal(of.stands, false);
  assert.equal(await of.drained(new AbortController().signal), true);
});

test("drained when nothing waits and nothing is under way", async () => {
  const { queue, under, of } = backlog();
  queue.seal("t");
  under.way = 1;
  let drained: boolean | undefined;
  const waiting = of.drained(new AbortController().signal).then((result) => {
    drained = result;
  });
  queue.ack("t", { epoch: "k3f9a1c2", seq: 1 });
  of.changed();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(drained, undefined, "one publish is not answered");
  under.way = 0;
  of.changed();
  await waiting;
  assert.equal(drained, true);
});

test("not drained when the time is over, and while the queue cannot be read", async () => {
  const { queue, of } = backlog();
  queue.failure = new Error("disk gone");
  const abort = new AbortController();
  const waiting = of.drained(abort.signal);
  of.changed();
  abort.abort();
  assert.equal(await waiting, false);
  assert.equal(await of.drained(abort.signal), false, "aborted before");
  assert.equal(of.stands, false);
});
