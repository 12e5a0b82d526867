import assert from "node:assert/strict";
import { test } from "node:test";
import mqtt from "mqtt";
import { until } from "./messages.ts";
import { startStatus } from "./running.ts";

// No tick comes in this test's time: what the client sees was told because it came.
const NEVER_MS = 3_600_000;

test("whoever comes finds the latest values retained, though nothing was told while nobody was there", async (t) => {
  const { status, ready } = await startStatus(t, NEVER_MS);
  for (const value of [7360, 7361]) {
    status.receive({ type: "values", numbers: [1], values: [value], quality: [0], times: [1795226001123] });
    const connection = await mqtt.connectAsync(`mqtt://127.0.0.1:${ready.mqttPort}`, {
      protocolVersion: 4,
      reconnectPeriod: 0,
    });
    t.after(() => connection.end(true));
    const seen: unknown[] = [];
    connection.on("message", (_topic, payload, { retain }) => seen.push([retain, JSON.parse(payload.toString())]));
    await connection.subscribeAsync("busbar/meter-1");
    await until(() => seen.length > 0);
    assert.partialDeepStrictEqual(seen[0], [true, { values: { "Power.Active.Import": { v: value } } }]);
    await connection.endAsync();
  }
});
