/** State, births, now topics, draining and stopping, against a server of hand-written bytes. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FlightBudget } from "../../../store-forward/uplink/flight-budget.ts";
import { nowPayload } from "../../../store-forward/uplink/now.ts";
import { judgeState, statePayload } from "../../../store-forward/uplink/presence.ts";
import { MemoryQueue } from "../../support/memory-queue.ts";
import { answerPublish, RawServer } from "./raw-server.ts";
import { PREFIX, Rig, soon } from "./rig.ts";

const contract = (name: string): string =>
  readFileSync(new URL(`../../fixtures/contracts/${name}`, import.meta.url), "utf8");

function on(server: RawServer, tail: string): string[] {
  return server.publishes.filter(({ topic }) => topic === `${PREFIX}/${tail}`).map(({ payload }) => payload.toString());
}

test("state and now are the bytes of the contract", () => {
  assert.equal(statePayload("online", { boot: 17, conn: 3 }, 1_795_226_000_000).toString(), contract("state.json"));
  const value = { v: 7361, u: "W", q: "good", ts: 1_795_226_001_123 };
  const latest = { asset: "meter-1", ts: 1_795_226_001_123, values: { "Power.Active.Import": value } };
  assert.equal(nowPayload("depot-berlin-01", latest).toString(), contract("now.json"));
});

test("records of every kind go to the topics of the contract", async () => {
  await using server = await RawServer.start();
  const queue = new MemoryQueue();
  await using rig = new Rig({ url: server.url, uplink: { queue } });
  queue.seal("t", { asset: "meter-1" });
  queue.seal("c", { asset: "van-7", kind: "event" });
  queue.seal("c", { asset: "wallbox-1", kind: "session" });
  queue.seal("c", { kind: "gap", asset: null });
  queue.seal("c", { kind: "time", asset: null });
  await rig.until("acknowledged", () => queue.waiting() === 0);
  const topics = new Set(contract("topics.txt").split("\n"));
  const records = server.publishes.slice(2).map(({ topic }) => topic);
  for (const { topic } of server.publishes) {
    assert.ok(topics.has(topic) || topic === `${PREFIX}/session/wallbox-1`, topic);
  }
  assert.equal(new Set(records).size, 5);
});

test("what stands on the state topic is judged by boot, conn and state", () => {
  const own = { boot: 17, conn: 3 };
  const cases = [
    ['{"state":"online","boot":17,"conn":3,"ts":1}', "ours"],
    ['{"state":"offline","boot":17,"conn":3,"ts":1}', "foreign"],
    ['{"state":"offline","boot":17,"conn":2,"ts":1}', "foreign"],
    ['{"state":"offline","boot":16,"conn":9,"ts":1}', "foreign"],
    ['{"state":"online","boot":17,"conn":4,"ts":1}', "later"],
    ['{"state":"online","boot":18,"conn":1,"ts":1}', "later"],
    ["", "foreign"],
    ["null", "foreign"],
    ['{"boot":"17","conn":3}', "foreign"],
  ] as const;
  for (const [payload, expected] of cases) assert.equal(judgeState(Buffer.from(payload), own), expected, payload);
});

test("a foreign offline on our topic is answered with online, once a second at most", async () => {
  await using server = await RawServer.start();
  await using rig = new Rig({ url: server.url });
  await rig.up();
  const connection = server.connections[0]!;
  connection.publish(`${PREFIX}/state`, '{"state":"offline","boot":17,"conn":0,"ts":1}');
  await soon("corrected", () => on(server, "state").length === 2);
  for (let i = 0; i < 5; i++) connection.publish(`${PREFIX}/state`, '{"state":"offline","boot":17,"conn":0,"ts":1}');
  connection.publish(`${PREFIX}/receipt`, "no receipt");
  await rig.until("all of it was read", () => /no receipt/.test(rig.uplink.status().warning ?? ""));
  const states = on(server, "state").map((text) => JSON.parse(text) as { state: string; conn: number });
  assert.deepEqual(
    states.map(({ state, conn }) => `${state} ${conn}`),
    ["online 1", "online 1"],
  );
});

test("an orderly stop says offline, waits for its acknowledgement and sends DISCONNECT", async () => {
  await using server = await RawServer.start({
    // As a broker does: what is published on `state` comes back before its acknowledgement, offline included.
    onPublish: (publish, connection) => {
      if (!publish.topic.endsWith("/state")) return answerPublish(publish);
      connection.publish(publish.topic, publish.payload.toString());
      setTimeout(() => connection.send(answerPublish(publish)), 10);
      return undefined;
    },
  });
  const rig = new Rig({ url: server.url });
  await rig.up();
  await rig.stop();
  const { packets } = server.connections[0]!;
  await soon("DISCONNECT", () => packets.at(-1)?.type === 14);
  assert.match(on(server, "state").at(-1) ?? "", /"state":"offline","boot":17,"conn":1/);
  assert.equal(packets.at(-2)?.type, 3);
  assert.equal(rig.uplink.status().state, "down");
  assert.equal(rig.queue.onSealed, undefined);
});

test("a stop is quick although the server acknowledges nothing, or was never there", async () => {
  await using server = await RawServer.start({
    onPublish: (publish) =>
      publish.topic.includes("/data/") || server.publishes.length > 2 ? undefined : answerPublish(publish),
  });
  const timing = { farewellMs: 30 };
  const rig = new Rig({ url: server.url, uplink: { timing } });
  await rig.up();
  rig.queue.seal("t");
  await soon("sent", () => server.publishes.some(({ topic }) => topic.includes("/data/")));
  const beganMs = performance.now();
  await rig.stop();
  await soon("DISCONNECT", () => server.connections[0]?.packets.at(-1)?.type === 14);
  const lonely = new Rig({
    url: "mqtt://127.0.0.1:1",
    uplink: { timing: { backoffFirstMs: 60_000, backoffMaxMs: 60_000 } },
  });
  await lonely.until("down", () => lonely.uplink.status().state === "down");
  await lonely.stop();
  assert.ok(performance.now() - beganMs < 1000);
});

test("nothing keeps the process's loop alive after run ended", async () => {
  const handles = (): string[] => process.getActiveResourcesInfo().filter((name) => /TCP|Timeout/.test(name));
  const before = handles().length;
  await using server = await RawServer.start();
  const rig = new Rig({ url: server.url });
  await rig.up();
  await rig.stop();
  await server[Symbol.asyncDispose]();
  await soon(`handles are gone: ${handles().join()}`, () => handles().length <= before);
});

test("drained tells when all is acknowledged, and when it was not in time", async () => {
  await using server = await RawServer.start({
    onPublish: (publish) => (publish.topic.endsWith("/held") ? undefined : answerPublish(publish)),
  });
  await using rig = new Rig({ url: server.url, uplink: { timing: { farewellMs: 20 } } });
  assert.equal(await rig.uplink.drained(AbortSignal.timeout(1000)), true, "nothing sealed");
  for (let i = 0; i < 20; i++) rig.queue.seal("t");
  assert.equal(await rig.uplink.drained(AbortSignal.timeout(2000)), true);
  assert.equal(rig.queue.waiting(), 0);
  rig.queue.seal("t", { asset: "held" });
  assert.equal(await rig.uplink.drained(AbortSignal.timeout(40)), false);
});

test("an asset that left the configuration leaves no value on its now topic, whoever published it", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "busbar-now-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const shownPath = join(dir, "outbox.db.now");
  await using server = await RawServer.start();
  const config = { publish_interval: "250 ms", now: { when: "always" } };
  const run = async (assets: readonly string[], published: () => boolean): Promise<void> => {
    const latestValues = () => assets.map((asset) => ({ asset, ts: 5, values: {} }));
    const rig = new Rig({
      url: server.url,
      config,
      uplink: { latestValues, shownPath, timing: { nowIntervalMs: 10 } },
    });
    await rig.until("published", published);
    // Killed: nothing is cleared.
    server.connections.at(-1)?.socket.destroy();
    await rig.stop();
  };
  await run(["meter-1", "old-meter"], () => on(server, "now/old-meter").at(-1)?.includes('"ts":5') === true);
  const before = on(server, "now/old-meter").length;
  writeFileSync(shownPath, '["meter-1","old-meter","../x",7]');
  await run(["meter-1"], () => on(server, "now/meter-1").length > 3 && on(server, "now/old-meter").length > before);
  assert.deepEqual(on(server, "now/old-meter").slice(before), [""]);
  assert.ok(!server.publishes.some(({ topic }) => topic.includes("..")));
});

test("now topics show latest values while a backlog stands, and are cleared when it ends", async () => {
  let hold = true;
  const held: (() => void)[] = [];
  await using server = await RawServer.start({
    onPublish: (publish, connection) => {
      if (!publish.topic.includes("/data/") || !hold) return answerPublish(publish);
      held.push(() => connection.send(answerPublish(publish)));
      return undefined;
    },
  });
  const values = { "Power.Active.Import": { v: 7361, u: "W", q: "good", ts: 5 } };
  const latestValues = () => [{ asset: "meter-1", ts: 5, values }];
  const timing = { nowIntervalMs: 30 };
  await using rig = new Rig({
    url: server.url,
    config: { publish_interval: "250 ms" },
    uplink: { latestValues, timing },
  });
  await rig.up();
  await soon("what an earlier process left is cleared", () => on(server, "now/meter-1").length > 0);
  assert.deepEqual(on(server, "now/meter-1"), [""]);
  const sealedMs = Date.now() - 650;
  rig.queue.seal("t", { sealedMs });
  rig.queue.seal("t");
  await rig.until("a backlog is told", () => rig.uplink.status().backlog);
  // The clock may run 2 ms ahead of Date.now().
  assert.ok(Date.now() - sealedMs > 745, "not before three intervals have passed");
  await rig.until("a backlog stands", () => rig.uplink.status().backlog && on(server, "now/meter-1").length >= 2);
  const now = server.publishes.filter(({ topic }) => topic.endsWith("/now/meter-1")).at(-1);
  assert.equal(
    now?.payload.toString(),
    '{"v":1,"gw":"depot-berlin-01","asset":"meter-1","ts":5,"s":{"Power.Active.Import":{"v":7361,"u":"W","q":"good","ts":5}}}',
  );
  assert.deepEqual([now?.qos, now?.retain], [0, true]);
  hold = false;
  for (const release of held) release();
  await rig.until("the backlog is over", () => !rig.uplink.status().backlog && on(server, "now/meter-1").at(-1) === "");
});

test("bytes under way grow with prompt acknowledgements and shrink with late ones", () => {
  const budget = new FlightBudget(1000);
  const fill = (): number => {
    let count = 0;
    while (budget.open) {
      budget.sent(4096);
      count++;
    }
    return count;
  };
  assert.equal(fill(), 8);
  for (let i = 0; i < 8; i++) budget.acked(4096, 20);
  assert.equal(fill(), 16, "doubles in a round trip");
  for (let i = 0; i < 16; i++) budget.acked(4096, 5000);
  assert.equal(fill(), 4, "never less than 16 KiB");
  budget.reset(true);
  budget.sent(100_000);
  assert.equal(budget.open, false);
  budget.refused(100_000);
  assert.equal(budget.open, true, "one record always may go");
});

test("a link that dies before the SUBACK is stalled: the first record does not wait for it for ever", async () => {
  await using server = await RawServer.start({ noSuback: true });
  await using rig = new Rig({
    url: server.url,
    uplink: { queue: new MemoryQueue("aaaa0009"), timing: { stallMs: 25 } },
  });
  await soon("three links", () => server.connections.length >= 3);
  await rig.until("stalled", () => rig.uplink.status().state === "stalled");
});
