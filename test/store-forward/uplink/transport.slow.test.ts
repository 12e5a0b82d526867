/** What a send costs and when it may go: topic aliases, BZ1 frames, rate limit, now topics, the month's bytes. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Logger } from "../../../core/log.ts";
import { plainRecord, sealRecord } from "../../../core/record.ts";
import { birthIdOf } from "../../../core/signals.ts";
import { birthFraming, closeFraming, plainFraming } from "../../../store-forward/uplink/frame.ts";
import { RateLimit } from "../../../store-forward/uplink/rate-limit.ts";
import { Traffic } from "../../../store-forward/uplink/traffic.ts";
import { contract } from "../../support/contracts.ts";
import { MemoryQueue } from "../../support/memory-queue.ts";
import { answerPublish, RawServer } from "./raw-server.ts";
import { PREFIX, Rig, soon } from "./rig.ts";

// CONNACK property 0x22, Topic Alias Maximum 2.
const TWO_ALIASES = "20 06 00 00 03 22 00 02";
const BIRTH = contract("birth.json").subarray(0, contract("birth.json").lastIndexOf("}") + 1);
const LOG = new Logger("test", () => {});

function isRecord({ topic }: { readonly topic: string }): boolean {
  return /\/(data|event)\//.test(topic);
}

test("records' topics travel as numbers, as many as the server allows, anew on each link", async () => {
  await using server = await RawServer.start({ connack: TWO_ALIASES });
  const queue = new MemoryQueue();
  await using rig = new Rig({ url: server.url, uplink: { queue } });
  const assets = ["a", "b", "c", "a", "b", "c", "a"];
  for (const asset of assets) queue.seal("t", { asset });
  queue.seal("c", { asset: "a" });
  await rig.until("acknowledged", () => queue.waiting() === 0);
  const expected = new Map([
    [1, `${PREFIX}/data/a`],
    [2, `${PREFIX}/data/b`],
  ]);
  const first = server.connections[0]!;
  assert.deepEqual(first.aliases.size, 2);
  assert.deepEqual(
    first.publishes.filter(({ topic }) => /\/data\//.test(topic)).map(({ topic }) => topic.at(-1)),
    assets,
  );
  first.socket.destroy();
  await rig.until("the next link", () => rig.uplink.status().conn === 2);
  for (const asset of ["a", "b", "c", "a"]) queue.seal("t", { asset });
  await rig.until("acknowledged again", () => queue.waiting() === 0);
  const second = server.connections[1]!;
  assert.deepEqual(second.aliases, expected);
  assert.deepEqual(
    second.publishes.filter(isRecord).map(({ topic }) => topic.at(-1)),
    ["a", "b", "c", "a"],
  );
  for (const { topic } of server.publishes) assert.ok(topic.startsWith(`${PREFIX}/`), topic);
});

test("without Topic Alias Maximum no alias is used", async () => {
  await using server = await RawServer.start();
  await using rig = new Rig({ url: server.url });
  for (let i = 0; i < 3; i++) rig.queue.seal("t");
  await rig.until("acknowledged", () => rig.queue.waiting() === 0);
  assert.equal(server.connections[0]!.aliases.size, 0);
});

test("a closely packed frame unpacks to the record, and is no larger than in a backlog", () => {
  const columns = Array.from({ length: 9 }, (_, i) => `"Signal.${i}":[${[0, 3, 7, 4, 9, 2].map((n) => 2300 + n * i)}]`);
  const plain = sealRecord(
    {
      k: "data",
      gw: "g",
      asset: "a",
      epoch: "k3f9a1c2",
      c: "t",
      seq: 1,
      boot: 1,
      sync: true,
      birth: "164043ef",
      t0: 1,
    },
    `"g":[{"t":[0,1000,1000,1001,999,1000],"s":{${columns.join()}}}]`,
  );
  const [close, quick] = [closeFraming(plain), plainFraming(plain)];
  assert.deepEqual(plainRecord(close), plain);
  assert.ok(close.length <= quick.length && quick.length < plain.length, `${close.length}, ${quick.length}`);
  const tiny = Buffer.from("{}");
  assert.equal(closeFraming(tiny), tiny, "what does not shrink stays as it is");
});

test("the very first record of a backlog is packed quickly, one of today closely", async () => {
  await using server = await RawServer.start();
  const queue = new MemoryQueue();
  const fill = Array.from({ length: 200 }, (_, i) => `${(i * i * 7919) % 1009}`).join(",");
  queue.seal("t", { fill, sealedMs: Date.now() - 3_600_000 });
  await using rig = new Rig({ url: server.url, uplink: { queue } });
  await rig.until("acknowledged", () => queue.waiting() === 0);
  await rig.until("no backlog", () => !rig.uplink.status().backlog);
  queue.seal("t", { fill });
  await rig.until("acknowledged", () => queue.waiting() === 0);
  const [old, recent] = server.publishes.filter(isRecord).map(({ payload }) => payload);
  const [first, second] = [queue.plain("t", 1), queue.plain("t", 2)];
  assert.notDeepEqual(Buffer.from(plainFraming(first)), Buffer.from(closeFraming(first)), "the two differ");
  assert.deepEqual(old, Buffer.from(plainFraming(first)));
  assert.deepEqual(recent, Buffer.from(closeFraming(second)));
});

test("a BZ1 frame unpacks to the record with the birth, and is smaller than without", () => {
  const record = contract("record-data.json");
  const plain = record.subarray(0, record.lastIndexOf("}") + 1);
  const framed = birthFraming(BIRTH)(plain);
  assert.equal(framed.subarray(0, 3).toString(), "BZ1");
  assert.equal(framed.subarray(3, 7).toString("hex"), birthIdOf(BIRTH));
  assert.deepEqual(
    plainRecord(framed, (id) => (id === birthIdOf(BIRTH) ? BIRTH : undefined)),
    plain,
  );
  assert.ok(framed.length < plainFraming(plain).length, `${framed.length} bytes`);
  const tiny = Buffer.from("{}");
  assert.equal(birthFraming(BIRTH)(tiny), tiny, "what does not shrink stays as it is");
});

test("a metered link: BZ1 after the birth is acknowledged, bulk waits, now is off", async () => {
  await using server = await RawServer.start();
  const queue = new MemoryQueue();
  queue.birthPayloads = [BIRTH];
  let asked = 0;
  const latestValues = () => {
    asked++;
    return [{ asset: "meter-1", ts: 5, values: {} }];
  };
  await using rig = new Rig({
    url: server.url,
    config: { link: "metered", publish_interval: "250 ms", now: { when: "always" } },
    uplink: { queue, latestValues, timing: { nowIntervalMs: 1 } },
  });
  await rig.up();
  queue.seal("b", { sealedMs: Date.now() - 60_000 });
  const fill = BIRTH.toString("base64").slice(0, 400);
  queue.seal("t", { fill: fill + BIRTH.toString().slice(0, 200).replaceAll('"', "'") });
  await rig.until("telemetry passes", () => queue.ackOrder.length === 1);
  assert.deepEqual(queue.ackOrder, ["t1"]);
  const [record] = server.publishes.filter(isRecord);
  assert.equal(record?.payload.subarray(0, 3).toString(), "BZ1");
  assert.deepEqual(
    plainRecord(record.payload, () => BIRTH),
    queue.plain("t", 1),
  );
  assert.equal(await rig.uplink.drained(AbortSignal.timeout(1000)), true, "a stop does not wait for bulk");
  assert.equal(rig.uplink.status().backlog, false);
  assert.equal(asked, 1, "asked for what to clear, and for no values");
});

test("a birth that the server refuses is no dictionary", async () => {
  await using server = await RawServer.start({
    onPublish: (publish, connection) =>
      answerPublish(publish, connection, publish.topic.endsWith("/birth") ? 0x87 : undefined),
  });
  const queue = new MemoryQueue();
  queue.birthPayloads = [BIRTH];
  await using rig = new Rig({ url: server.url, config: { link: "metered" }, uplink: { queue } });
  await rig.up();
  // With the birth as dictionary it would be far smaller.
  queue.seal("t", { fill: BIRTH.toString().replaceAll('"', "'") });
  assert.equal(birthFraming(BIRTH)(queue.plain("t", 1)).subarray(0, 3).toString(), "BZ1");
  await rig.until("acknowledged", () => queue.waiting() === 0);
  const [record] = server.publishes.filter(isRecord);
  assert.deepEqual(plainRecord(record!.payload), queue.plain("t", 1));
});

test("the rate limit: a second's worth at once, then by the clock; debts are paid off", () => {
  const rate = new RateLimit({ messages: 4, bytes: 1000 });
  const passed: number[] = [];
  for (let ms = 0; ms <= 2000; ms += 50) {
    while (rate.waitMs(ms) === 0) {
      rate.spend(10, ms);
      passed.push(ms);
    }
  }
  assert.deepEqual(passed, [0, 0, 0, 0, 250, 500, 750, 1000, 1250, 1500, 1750, 2000]);
  rate.spend(3000, 2000);
  assert.ok(rate.waitMs(2000) > 1900, "a large record is paid for");
  assert.equal(rate.waitMs(4100), 0);
  const slow = new RateLimit({ bytes: 100 });
  assert.equal(slow.waitMs(0), 0);
  slow.spend(100, 0);
  assert.equal(slow.waitMs(0), 10, "the first byte of the next");
});

test("telemetry keeps to the rate, critical does not wait for it", async () => {
  await using server = await RawServer.start();
  const queue = new MemoryQueue();
  for (let i = 0; i < 20; i++) queue.seal("t");
  const config = { rate_limit: { messages: 10 }, qos: { critical: 1 } };
  const beganMs = performance.now();
  await using rig = new Rig({ url: server.url, config, uplink: { queue } });
  await rig.until("the burst is through", () => queue.ackOrder.length === 10);
  for (let i = 0; i < 5; i++) queue.seal("c");
  await rig.until("critical is through", () => queue.ackOrder.includes("c5"));
  assert.ok(queue.ackOrder.filter((key) => key.startsWith("t")).length <= 12, queue.ackOrder.join());
  await rig.until("all", () => queue.waiting() === 0);
  // 25 in all at 10 per second, of which 10 went at once.
  const tookMs = performance.now() - beganMs;
  assert.ok(tookMs > 1300, `${tookMs} ms`);
});

test("now topics: always without a backlog, never with one", async () => {
  let hold = true;
  const held: (() => void)[] = [];
  await using server = await RawServer.start({
    onPublish: (publish, connection) => {
      if (!isRecord(publish) || !hold) return answerPublish(publish);
      held.push(() => connection.send(answerPublish(publish)));
      return undefined;
    },
  });
  const latestValues = () => [{ asset: "meter-1", ts: 5, values: {} }];
  const shown = () => server.publishes.filter(({ topic, payload }) => topic.includes("/now/") && payload.length > 0);
  const timing = { nowIntervalMs: 5 };
  const always = new Rig({ url: server.url, config: { now: { when: "always" } }, uplink: { latestValues, timing } });
  await soon("three rounds", () => shown().length >= 3);
  await always.stop();
  // Its last bytes have left it, and may not have been read yet.
  await soon("cleared", () => server.publishes.findLast(({ topic }) => topic.includes("/now/"))?.payload.length === 0);
  const before = shown().length;
  await using never = new Rig({
    url: server.url,
    config: { now: { when: "never" }, publish_interval: "250 ms", window: 1, qos: { critical: 1 } },
    uplink: { latestValues, timing },
  });
  never.queue.seal("t", { sealedMs: Date.now() - 60_000 });
  await never.until("a backlog stands", () => never.uplink.status().backlog);
  hold = false;
  for (const release of held) release();
  await never.until("acknowledged", () => never.queue.waiting() === 0);
  assert.equal(shown().length, before);
});

test("the month's bytes are kept over restarts, begin anew with a month, and never by a clock that may be wrong", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "busbar-traffic-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const path = join(dir, "traffic");
  const november = { wallMs: Date.UTC(2026, 10, 30, 23, 59), synced: true };
  const first = new Traffic(path, LOG);
  assert.deepEqual(first.count(1000, november), { month: "2026-11", bytes: 1000 });
  first.save(0);
  first.count(1500, november);
  first.save(1000);
  assert.deepEqual(JSON.parse(readFileSync(path, "utf8")), { month: "2026-11", bytes: 1000 }, "every ten minutes");
  first.save(1000, true);
  const second = new Traffic(path, LOG);
  assert.deepEqual(second.count(10, { wallMs: 0, synced: false }), { month: "2026-11", bytes: 1510 });
  const far = { wallMs: Date.UTC(2099, 0, 1), synced: false };
  assert.deepEqual(second.count(10, far), { month: "2026-11", bytes: 1510 });
  const december = { ...november, wallMs: november.wallMs + 120_000 };
  assert.deepEqual(second.count(20, december), { month: "2026-12", bytes: 10 });
  writeFileSync(path, "garbage");
  assert.deepEqual(new Traffic(path, LOG).count(7, november), { month: "2026-11", bytes: 7 });
  new Traffic(join(dir, "no", "folder"), LOG).save(0, true);
});
