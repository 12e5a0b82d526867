import assert from "node:assert/strict";
import { test } from "node:test";
import { CriticalRecords } from "../../daemon/critical.ts";
import type { ToStatus } from "../../daemon/status/protocol.ts";
import type { ToStorage } from "../../store-forward/protocol.ts";
import { HandClock } from "../drivers/can/fakes.ts";

function records() {
  const clock = new HandClock();
  const stored: ToStorage[] = [];
  const shown: ToStatus[] = [];
  const toStorage = (message: ToStorage): void => void stored.push(message);
  const toStatus = (message: ToStatus): void => void shown.push(message);
  const nowMs = clock.wallUs() / 1000;
  return { critical: new CriticalRecords({ clock, threads: { toStorage, toStatus } }), stored, shown, nowMs };
}

test("an event goes to storage under its asset, else under the gateway's, and to the local topic", () => {
  const { critical, stored, shown, nowMs } = records();
  const up = { type: "device-up", severity: "info", source: "can0", asset: "van-7", text: "it answers" } as const;
  critical.event(up);
  critical.event({ type: "clock-step", severity: "warning", step_ms: 5000 });
  assert.deepEqual(stored, [
    {
      type: "critical",
      kind: "event",
      asset: "van-7",
      t0: nowMs,
      body: '"event":{"type":"device-up","severity":"info","source":"can0","text":"it answers"}',
      synced: true,
    },
    {
      type: "critical",
      kind: "event",
      asset: "gateway",
      t0: nowMs,
      body: '"event":{"type":"clock-step","severity":"warning","step_ms":5000}',
      synced: true,
    },
  ]);
  assert.deepEqual(shown[0], { type: "event", event: { ts: nowMs, ...up } });
});

test("lost frames are an event, and a gap without seq or number of samples as soon as the epoch is known", () => {
  const { critical, stored, nowMs } = records();
  const lost = { type: "frames-lost", severity: "error", source: "can0", frames: 7, text: "7 frames lost" } as const;
  critical.event({ ...lost, from: 100, to: 200 });
  critical.storageReady("k3f9a1c2");
  critical.event({ ...lost, from: 300, to: 400 });
  const event = (from: number, to: number): ToStorage => ({
    type: "critical",
    kind: "event",
    asset: "gateway",
    t0: nowMs,
    body: `"event":${JSON.stringify({ ...lost, from, to })}`,
    synced: true,
  });
  const gap = (t0: number, t1: number): ToStorage => ({
    type: "critical",
    kind: "gap",
    t0: nowMs,
    body: `"gap":{"c":"t","epoch":"k3f9a1c2","from":null,"to":null,"samples":null,"reason":"overload","t0":${t0},"t1":${t1}}`,
    synced: true,
  });
  assert.deepEqual(stored, [event(100, 200), gap(100, 200), event(300, 400), gap(300, 400)]);
});
