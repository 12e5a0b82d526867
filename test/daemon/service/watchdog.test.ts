import assert from "node:assert/strict";
import { test } from "node:test";
import { Watchdog } from "../../../daemon/service/watchdog.ts";

function bench(open = true) {
  const fedMs: number[] = [];
  const told: string[] = [];
  const asked: number[] = [];
  let nowMs = 0;
  let starving: string[] = [];
  let sleptMs = 0;
  const watchdog = new Watchdog({
    notifier: { open, watchdogMs: 30_000, alive: () => fedMs.push(nowMs) },
    log: { error: (text) => told.push(`error ${text}`), warn: (text) => told.push(`warn ${text}`) },
  });
  const vitals = {
    starving: (limitMs: number) => {
      asked.push(limitMs);
      return starving;
    },
    slept: (ms: number) => {
      sleptMs += ms;
    },
  };
  return {
    fedMs,
    told,
    asked,
    slept: () => sleptMs,
    until(endMs: number, who: string[] = []) {
      starving = who;
      for (; nowMs <= endMs; nowMs += 500) watchdog.check(vitals, nowMs);
    },
    skip(ms: number) {
      nowMs += ms;
    },
  };
}

test("it is fed three times in each period, and parts have two periods", () => {
  const { fedMs, asked, until, slept } = bench();
  until(40_000);
  assert.deepEqual(fedMs, [0, 10_000, 20_000, 30_000, 40_000]);
  assert.deepEqual([...new Set(asked)], [60_000]);
  assert.equal(slept(), 0);
});

test("who starves it is told once, with what follows from it; recovery too", () => {
  const { fedMs, told, until } = bench();
  until(10_000);
  until(50_000, ["source rs485: no sign of life for 61 s"]);
  assert.deepEqual(fedMs, [0, 10_000]);
  until(60_000);
  assert.deepEqual(told, [
    "error source rs485: no sign of life for 61 s; the watchdog is not fed: systemd restarts the gateway",
    "warn everything makes progress again",
  ]);
  assert.ok((fedMs[2] ?? 0) > 50_000);
});

test("seconds that pass are no news; without systemd the remedy is another one", () => {
  const { told, until } = bench(false);
  until(1000, ["the storage thread hangs: silent for 61 s"]);
  until(9000, ["the storage thread hangs: silent for 62 s"]);
  assert.deepEqual(told, ["error the storage thread hangs: silent for 61 s; restart the gateway"]);
});

test("a machine that stood still is told to the vitals", () => {
  const { slept, skip, until } = bench();
  until(1000);
  skip(120_000);
  until(122_000);
  assert.equal(slept(), 120_500);
});
