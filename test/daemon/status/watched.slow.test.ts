import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import mqtt from "mqtt";
import { LocalBroker } from "../../../daemon/status/local-broker.ts";
import { LocalStatus } from "../../../daemon/status/local-status.ts";
import type { FromStatus, ToStatus } from "../../../daemon/status/protocol.ts";
import { StatusFeed } from "../../../daemon/status-feed.ts";
import { answers, freePort, until as waitUntil } from "../../support/wait.ts";
import { statusInit, until } from "./messages.ts";
import { startStatus } from "./running.ts";

/** A LocalStatus, and what it said of being looked at. */
async function start(t: TestContext) {
  const { ready, messages } = await startStatus(t, 20);
  const watched = (): boolean[] => messages.flatMap((message) => (message.type === "watched" ? message.watched : []));
  const turned = (): number => messages.filter(({ type }) => type === "turned").length;
  return { ready, watched, turned };
}

test("a client of the local broker is somebody who looks, before it is let in", async (t) => {
  const { ready, watched, turned } = await start(t);
  await until(() => turned() > 0);
  assert.deepEqual(watched(), []);
  const connection = await mqtt.connectAsync(`mqtt://127.0.0.1:${ready.mqttPort}`, {
    protocolVersion: 4,
    reconnectPeriod: 0,
  });
  t.after(() => connection.end(true));
  assert.deepEqual(watched(), [true]);
  await until(() => turned() > 2);
  assert.deepEqual(watched(), [true], "it is told once");
});

test("whoever asks for a snapshot looks; the page's own files are no look", async (t) => {
  const { ready, watched } = await start(t);
  const get = async (path: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${ready.httpPort}${path}`)).text();
  await get("/");
  assert.deepEqual(watched(), []);
  await get("/api/health");
  assert.deepEqual(watched(), [true]);
  await get("/api/status");
  assert.deepEqual(watched(), [true]);
});

test("nobody looks any more ten seconds after the last look", async (t) => {
  t.mock.method(performance, "now", () => nowMs);
  let nowMs = 1000;
  const { ready, watched, turned } = await start(t);
  await (await fetch(`http://127.0.0.1:${ready.httpPort}/api/status`)).text();
  nowMs += 9999;
  const before = turned();
  await waitTurns(turned, before + 2);
  assert.deepEqual(watched(), [true]);
  nowMs += 1;
  await waitTurns(turned, before + 4);
  assert.deepEqual(watched(), [true, false]);
});

test("whoever looks before `ready` is told again after it, and is told of values as often as any other", async (t) => {
  const opened = Promise.withResolvers<void>();
  const { start: open } = LocalBroker.prototype;
  // The page answers, and the broker, which `ready` waits for, does not yet.
  t.mock.method(LocalBroker.prototype, "start", async function (this: LocalBroker) {
    await opened.promise;
    await open.call(this);
  });
  const told: ToStatus["type"][] = [];
  const feed = new StatusFeed({
    latest: { takeChanged: () => ({ numbers: [], values: [], quality: [], times: [] }), tellAll: () => {} },
    sources: () => [],
    fastPath: () => ({ targets: [], datagrams: 0, errors: 0 }),
    tell: ({ type }) => told.push(type),
  });
  const said: string[] = [];
  // As the field thread takes it (daemon/threads.ts, daemon/gateway.ts).
  const post = (message: FromStatus): void => {
    if (message.type === "ready") feed.restart();
    if (message.type === "watched") feed.watched(message.watched);
    if (message.type !== "host" && message.type !== "turned") said.push(message.type);
  };
  const abort = new AbortController();
  const port = await freePort();
  const local = { ...statusInit().local, http: { listen: { host: "127.0.0.1", port } } };
  const status = new LocalStatus(statusInit({ local }), { post, tickMs: 20 });
  const ended = status.run(abort.signal);
  t.after(async () => {
    abort.abort();
    await ended;
  });
  await waitUntil("the page listens", () => answers(port), 5000);
  await (await fetch(`http://127.0.0.1:${port}/api/status`)).text();
  assert.deepEqual(said, ["watched"]);
  opened.resolve();
  await until(() => said.length === 3);
  assert.deepEqual(said, ["watched", "ready", "watched"]);
  told.length = 0;
  for (let ms = 0; ms < 1000; ms += 100) feed.tick(100);
  assert.equal(told.filter((type) => type === "values").length, 5);
});

/** `until` counts by the clock that stands still here. */
async function waitTurns(turned: () => number, count: number): Promise<void> {
  while (turned() < count) await new Promise<void>((resolve) => setImmediate(resolve));
}
