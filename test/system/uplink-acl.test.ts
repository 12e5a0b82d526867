/** A real Mosquitto that allows less than we need: what it refuses stays and is named, what it allows flows. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Rejection } from "../../store-forward/uplink/options.ts";
import { PREFIX, Rig, recordsOf, textsOn } from "../store-forward/uplink/rig.ts";
import { type Broker, NO_MOSQUITTO, startMosquitto } from "../support/broker.ts";

const WAIT_MS = 15_000;
const ALL = "topic readwrite busbar/#\n";

function accessList(t: TestContext, text: string): string {
  const dir = mkdtempSync(join(tmpdir(), "busbar-acl-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const file = join(dir, "acl");
  // Mosquitto complains of a file that others could write or read.
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

const streamsIn = (broker: Broker): string[] =>
  recordsOf(broker.arrivals()).map(({ stream, seq }) => `${stream}${seq}`);

// With the first Mosquitto 2.0 closes the connection right behind a refusal.
for (const [closes, setting] of [
  ["and closes", "max_queued_messages 0"],
  ["and goes on", "max_queued_messages 1000"],
] as const) {
  test(`a server that forbids only gaps ${closes} holds the critical stream, until it is mended`, {
    skip: NO_MOSQUITTO,
  }, async (t) => {
    const file = accessList(t, `topic deny ${PREFIX}/gap\n${ALL}`);
    await using broker = await startMosquitto({ extra: [`acl_file ${file}`, setting] });
    const rejected: Rejection[] = [];
    const onRejected = (rejection: Rejection): boolean => rejected.push(rejection) > 0;
    await using rig = new Rig({ url: broker.url, uplink: { onRejected, timing: { retryRefusedMs: 50 } } });
    rig.queue.seal("c", { kind: "gap", asset: null });
    rig.queue.seal("c");
    for (let i = 0; i < 100; i++) rig.queue.seal("t");
    const taken = (stream: string): number => rig.queue.ackOrder.filter((key) => key.startsWith(stream)).length;
    await rig.until("telemetry flows", () => taken("t") === 100, WAIT_MS);
    const refusal = /stream c record k3f9a1c2\/1: not authorised \(0x87\); .*its own topics/;
    await rig.until("told", () => refusal.test(rig.uplink.status().error ?? ""), WAIT_MS);
    writeFileSync(file, ALL);
    await broker.stop();
    await broker.start();
    await rig.until("all is acknowledged", () => rig.queue.waiting() === 0, WAIT_MS);
    // The gap itself may pass while the recorder is not back after the restart.
    const others = () => new Set(streamsIn(broker).filter((key) => key !== "c1")).size;
    await rig.until("all else has arrived", () => others() === 101, WAIT_MS);
    assert.deepEqual(rejected, []);
  });
}

test("a server that forbids the birth is told so, and gets the records", { skip: NO_MOSQUITTO }, async (t) => {
  const file = accessList(t, `topic deny ${PREFIX}/birth\n${ALL}`);
  await using broker = await startMosquitto({ extra: [`acl_file ${file}`, "max_queued_messages 1000"] });
  await using rig = new Rig({ url: broker.url });
  for (const stream of ["t", "c", "t"] as const) rig.queue.seal(stream);
  await rig.until("all is acknowledged", () => rig.queue.waiting() === 0, WAIT_MS);
  assert.match(rig.uplink.status().warning ?? "", /refuses birth: not authorised \(0x87\); .*its own topics/);
  assert.deepEqual(textsOn(broker.arrivals(), "birth"), []);
});

test("a packet limit below the birth and a short keep alive of the server's: records flow on one link", {
  skip: NO_MOSQUITTO,
}, async () => {
  await using broker = await startMosquitto({
    extra: ["max_packet_size 600", "max_keepalive 10", "max_topic_alias 1"],
  });
  await using rig = new Rig({ url: broker.url, config: { keepalive: "60 s" } });
  rig.queue.birthPayloads = [Buffer.from(`{"v":1,"fill":"${"x".repeat(1000)}"}`)];
  for (let i = 0; i < 50; i++) rig.queue.seal(i % 10 === 0 ? "c" : "t", { asset: `meter-${i % 3}` });
  await rig.until("all is acknowledged", () => rig.queue.waiting() === 0, WAIT_MS);
  await rig.until("all has arrived", () => streamsIn(broker).length === 50, WAIT_MS);
  assert.match(rig.uplink.status().warning ?? "", /refuses birth: the packet is too large/);
  assert.deepEqual(textsOn(broker.arrivals(), "birth"), []);
  assert.equal(rig.uplink.status().conn, 1);
});
