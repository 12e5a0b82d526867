/** The uplink against real brokers: whatever happens, every record arrives, in order, byte by byte the same. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Rig, recordsOf, soon, textsOn } from "../store-forward/uplink/rig.ts";
import { type Broker, NO_MOSQUITTO, startCloudProcess, startMosquitto } from "../support/broker.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { MemoryQueue } from "../support/memory-queue.ts";

interface Case {
  readonly name: string;
  readonly protocol: "5" | "3.1.1";
  readonly start: () => Promise<Broker>;
  readonly skip: string | false;
}

const CASES: readonly Case[] = [
  { name: "Mosquitto, MQTT 5", protocol: "5", start: () => startMosquitto(), skip: NO_MOSQUITTO },
  { name: "Mosquitto, MQTT 3.1.1", protocol: "3.1.1", start: () => startMosquitto(), skip: NO_MOSQUITTO },
  { name: "the stand-in cloud", protocol: "3.1.1", start: startCloudProcess, skip: false },
];

/** The first occurrence of each record must come in order per stream; repeats must be the same bytes. */
function assertConserved(queue: MemoryQueue, broker: Broker, expected: Readonly<Record<string, number>>): void {
  const first = new Map<string, Buffer>();
  const order: Record<string, number[]> = { c: [], t: [], b: [] };
  for (const { stream, seq, plain } of recordsOf(broker.arrivals())) {
    assert.deepEqual(plain, queue.plain(stream as "c", seq), `bytes of ${stream}${seq}`);
    if (!first.has(`${stream}${seq}`)) order[stream]?.push(seq);
    first.set(`${stream}${seq}`, plain);
  }
  for (const [stream, count] of Object.entries(expected)) {
    const all = Array.from({ length: count }, (_, at) => at + 1);
    assert.deepEqual(order[stream], all, `stream ${stream} is whole and in order`);
  }
}

for (const { name, protocol, start, skip } of CASES) {
  describe(name, { skip }, () => {
    let broker: Broker;
    before(async () => {
      broker = await start();
    });
    after(() => broker[Symbol.asyncDispose]());

    const config = (extra: object = {}) => ({ protocol: name.startsWith("Mosq") ? protocol : "auto", ...extra });

    test("a mixed backlog drains at QoS 1 and 2 with the broker restarted twice", { timeout: 30_000 }, async () => {
      const queue = new MemoryQueue("aaaa0001");
      for (let i = 0; i < 3000; i++) queue.seal("t");
      for (let i = 0; i < 300; i++) queue.seal("c");
      for (let i = 0; i < 100; i++) queue.seal("b", { fill: "x".repeat(2000) });
      const before = broker.arrivals().length;
      await using rig = new Rig({ url: broker.url, config: config(), uplink: { queue } });
      for (const part of [150, 1500]) {
        await rig.until("part of it is acknowledged", () => queue.ackOrder.length > part, 10_000);
        await broker.stop();
        await rig.until("the loss is noticed", () => rig.uplink.status().state !== "up");
        await broker.start();
      }
      await rig.until("all is acknowledged", () => queue.waiting() === 0, 15_000);
      assert.equal(rig.uplink.status().protocol, protocol);
      const count = () => new Set(recordsOf(broker.arrivals().slice(before)).map((r) => `${r.stream}${r.seq}`)).size;
      await soon("all has arrived", () => count() === 3400, 10_000);
      assertConserved(
        queue,
        { ...broker, arrivals: () => broker.arrivals().slice(before) },
        { c: 300, t: 3000, b: 100 },
      );
    });

    test("a backlog of 500 critical records arrives at QoS 2 with a window of 100", { timeout: 30_000 }, async () => {
      const queue = new MemoryQueue("aaaa0002");
      for (let i = 0; i < 500; i++) queue.seal("c");
      const before = broker.arrivals().length;
      await using rig = new Rig({ url: broker.url, config: config(), uplink: { queue } });
      await rig.until("all is acknowledged", () => queue.waiting() === 0, 15_000);
      const arrived = () => recordsOf(broker.arrivals().slice(before));
      await soon("all has arrived", () => arrived().length >= 500, 5000);
      assert.deepEqual(
        arrived().map(({ seq, qos }) => [seq, qos]),
        Array.from({ length: 500 }, (_, at) => [at + 1, 2]),
      );
    });

    test("a half-open link is found by its acknowledgements and replaced", { timeout: 30_000 }, async () => {
      const queue = new MemoryQueue("aaaa0003");
      await using proxy = await new FaultProxy({ to: { host: "127.0.0.1", port: broker.port } }).start();
      const timing = { stallMs: 400, connectTimeoutMs: 400 };
      await using rig = new Rig({
        url: `mqtt://127.0.0.1:${proxy.port}`,
        config: config(),
        uplink: { queue, timing },
      });
      await rig.up();
      const before = broker.arrivals().length;
      proxy.halfOpen();
      for (let i = 0; i < 50; i++) queue.seal("t");
      await rig.until("the stall is seen", () => rig.uplink.status().state === "stalled");
      assert.match(rig.uplink.status().error ?? "", /no acknowledgement in 400 ms; .*replaced/);
      assert.equal(queue.ackOrder.length, 0);
      await proxy.restore();
      await rig.until("all is acknowledged", () => queue.waiting() === 0, 5000);
      await soon("all has arrived", () => recordsOf(broker.arrivals().slice(before)).length >= 50);
      assertConserved(queue, { ...broker, arrivals: () => broker.arrivals().slice(before) }, { t: 50 });
    });

    test("state: online and offline, a foreign offline and the late will of a dead link are corrected", async () => {
      const before = broker.arrivals().length;
      const states = () =>
        textsOn(broker.arrivals().slice(before), "state").map((text) => {
          const { state, conn, boot } = JSON.parse(text) as { state: string; conn: number; boot: number };
          assert.equal(boot, 17);
          return `${state} ${conn}`;
        });
      await using proxy = await new FaultProxy({ to: { host: "127.0.0.1", port: broker.port } }).start();
      const rig = new Rig({
        url: `mqtt://127.0.0.1:${proxy.port}`,
        config: config(),
        uplink: { timing: { stallMs: 400, connectTimeoutMs: 400 } },
      });
      await rig.up();
      await soon("online", () => states().at(-1) === "online 1");
      // The broker hears of the death of this link when the next one takes its client id over: conn 1's will.
      proxy.halfOpen();
      rig.queue.seal("t");
      await rig.until("stalled", () => rig.uplink.status().state === "stalled");
      await proxy.restore();
      await rig.up();
      await soon("the will came", () => states().includes("offline 1"), 5000);
      await soon("online stands last", () => /^online /.test(states().at(-1) ?? ""), 5000);
      await rig.stop();
      await soon("offline stands last", () => /^offline [2-9]/.test(states().at(-1) ?? ""));
    });
  });
}

test("MQTT 5 is tried first and MQTT 3.1.1 remembered for a broker that refuses it", async () => {
  await using broker = await startCloudProcess();
  await using proxy = await new FaultProxy({ to: { host: "127.0.0.1", port: broker.port } }).start();
  await using rig = new Rig({ url: `mqtt://127.0.0.1:${proxy.port}` });
  await rig.up();
  assert.equal(rig.uplink.status().protocol, "3.1.1");
  assert.equal(proxy.connections, 2, "refused once, then accepted");
  proxy.drop();
  await rig.until("up again", () => rig.uplink.status().state === "up" && proxy.connections > 2);
  assert.equal(proxy.connections, 3, "the second link is dialled as 3.1.1 at once");
  assert.match(textsOn(broker.arrivals(), "state").at(-1) ?? "", /"online"/);
});

test("a broker killed mid-drain keeps all that it acknowledged, and gets the rest", { timeout: 30_000 }, async () => {
  await using broker = await startCloudProcess();
  const queue = new MemoryQueue("aaaa0004");
  for (let i = 0; i < 4000; i++) queue.seal("t");
  await using rig = new Rig({ url: broker.url, uplink: { queue } });
  for (const part of [500, 1500, 2500]) {
    await rig.until("part of it is acknowledged", () => queue.ackOrder.length > part, 10_000);
    await broker.kill();
    const arrived = new Set(recordsOf(broker.arrivals()).map(({ seq }) => `t${seq}`));
    for (const key of queue.ackOrder) assert.ok(arrived.has(key), `${key} was acknowledged`);
    await broker.start();
  }
  await rig.until("all is acknowledged", () => queue.waiting() === 0, 10_000);
  assertConserved(queue, broker, { t: 4000 });
});

test("a wrong password is refused with the remedy, and heals when the file does", { skip: NO_MOSQUITTO }, async (t) => {
  const { mkdtempSync, rmSync, writeFileSync } = await import("node:fs");
  const { tmpdir } = await import("node:os");
  const dir = mkdtempSync(`${tmpdir()}/busbar-uplink-`);
  t.after(() => rmSync(dir, { recursive: true }));
  await using broker = await startMosquitto({ user: { name: "depot", password: "right" } });
  const file = `${dir}/password`;
  writeFileSync(file, "wrong\n");
  for (const protocol of ["5", "3.1.1"]) {
    writeFileSync(file, "wrong\n");
    await using rig = new Rig({ url: broker.url, config: { protocol, username: "depot", password_file: file } });
    await rig.until("refused", () => rig.uplink.status().state === "refused");
    assert.match(rig.uplink.status().error ?? "", /not authorised .*; check uplink.username and uplink.password_file/);
    assert.doesNotMatch(JSON.stringify([rig.uplink.status(), rig.logged]), /wrong/);
    writeFileSync(file, "right\n");
    await rig.up();
  }
});

test("two devices with one gateway id are told of each other", { skip: NO_MOSQUITTO }, async () => {
  await using broker = await startMosquitto();
  const timing = { backoffFirstMs: 200, backoffMaxMs: 200, heldMs: 60_000 };
  await using first = new Rig({ url: broker.url, uplink: { timing } });
  await first.up();
  await using second = new Rig({ url: broker.url, uplink: { timing, boot: 30 } });
  const warned = () => /another device/.test(first.uplink.status().warning ?? "");
  await first.until("the first sees a state above its own", warned);
  assert.equal(second.queue.waiting(), 0);
});

test("the window never passes the broker's Receive Maximum", { skip: NO_MOSQUITTO }, async () => {
  await using broker = await startMosquitto({ maxInflight: 3 });
  const queue = new MemoryQueue("aaaa0005");
  for (let i = 0; i < 500; i++) queue.seal(i % 10 === 0 ? "c" : "t");
  await using rig = new Rig({ url: broker.url, uplink: { queue } });
  await rig.up();
  assert.equal(rig.uplink.status().window, 3);
  await rig.until("all is acknowledged", () => queue.waiting() === 0, 5000);
  assert.equal(rig.uplink.status().conn, 1, "the broker never hung up");
});

test("large records over a slow link make progress instead of stalling for ever", { timeout: 60_000 }, async () => {
  await using broker = await startCloudProcess();
  await using proxy = await new FaultProxy({ to: { host: "127.0.0.1", port: broker.port } }).start();
  const queue = new MemoryQueue("aaaa0006");
  const { randomBytes } = await import("node:crypto");
  for (let i = 0; i < 40; i++) queue.seal("t", { fill: randomBytes(4000).toString("base64") });
  // 160 KB of payload at 40 KB/s: a full window at once would wait for 4 s.
  proxy.rate(40_000);
  await using rig = new Rig({
    url: `mqtt://127.0.0.1:${proxy.port}`,
    uplink: { queue, timing: { stallMs: 2000 } },
  });
  await rig.until("all is acknowledged", () => queue.waiting() === 0, 30_000);
  assert.equal(rig.uplink.status().conn, 1, "no stall on the way");
});

test("records flow within two seconds of the broker's return, with the times of the real thing", async () => {
  await using broker = await startCloudProcess();
  const timing = { backoffFirstMs: 250, backoffMaxMs: 1500, heldMs: 10_000 };
  await using rig = new Rig({ url: broker.url, uplink: { timing, random: Math.random } });
  await rig.up();
  await broker.kill();
  const lostMs = performance.now();
  rig.queue.seal("t");
  // By then the backoff has reached its longest wait.
  await soon("the outage has lasted", () => performance.now() - lostMs > 4500, 5000);
  assert.equal(rig.uplink.status().state, "down");
  await broker.start();
  await rig.until("the record is acknowledged", () => rig.queue.waiting() === 0, 2000);
});
