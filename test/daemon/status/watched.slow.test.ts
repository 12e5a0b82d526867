import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import mqtt from "mqtt";
import { until } from "./messages.ts";
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

/** `until` counts by the clock that stands still here. */
async function waitTurns(turned: () => number, count: number): Promise<void> {
  while (turned() < count) await new Promise<void>((resolve) => setImmediate(resolve));
}
