import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { backoff } from "../../core/backoff.ts";
import { SystemClock } from "../../core/clock.ts";
import { BusbarError, isAbort, isRetryable } from "../../core/errors.ts";
import { formatJson, formatText, type LogEntry, Logger } from "../../core/log.ts";
import { VERSION } from "../../core/version.ts";

test("backoff doubles up to its bound, each delay in the upper half of its step", () => {
  const take = (random: () => number): number[] => {
    const delays = backoff({ firstMs: 100, maxMs: 1000, random });
    return Array.from({ length: 6 }, () => delays.next().value);
  };
  assert.deepEqual(
    take(() => 0),
    [50, 100, 200, 400, 500, 500],
  );
  assert.ok(take(() => 0.999).every((delay, i) => delay <= [100, 200, 400, 800, 1000, 1000][i]!));
});

test("an error names the thing and the remedy, and keeps its cause", () => {
  const cause = new Error("ENOENT");
  const error = new BusbarError("BUS_MISSING", "modbus rtu /dev/ttyUSB0: no such device", {
    remedy: "check the cable",
    cause,
  });
  assert.equal(error.message, "modbus rtu /dev/ttyUSB0: no such device; check the cable");
  assert.equal(error.layer, "bus");
  assert.equal(error.cause, cause);
});

test("a lost bus is tried again; a wrong profile and our own mistake are not", () => {
  assert.equal(isRetryable(new BusbarError("BUS_CLOSED", "x")), true);
  assert.equal(isRetryable(new BusbarError("PROFILE_INVALID", "x")), false);
  assert.equal(isRetryable(new TypeError("x")), false);
  assert.equal(isAbort(AbortSignal.abort().reason), true);
  assert.equal(isAbort(new Error("x")), false);
});

test("the wall clock follows the system clock to the millisecond and has microseconds", () => {
  const clock = new SystemClock();
  const fractions = new Set<number>();
  for (let i = 0; i < 50; i++) {
    const before = Date.now();
    const us = clock.wallUs();
    assert.ok(us / 1000 > before - 3 && us / 1000 < Date.now() + 3);
    fractions.add(us % 1000);
  }
  assert.ok(fractions.size > 1);
});

test("a log line is readable on a terminal and JSON for machines", () => {
  const entries: LogEntry[] = [];
  const log = new Logger("daemon", (entry) => entries.push(entry)).for("rs485");
  log.warn("no reply", { unit: 3, error: new Error("timed out"), port: "/dev/ttyUSB0" });
  const entry = { ...entries[0]!, ts: 0 };
  assert.equal(formatText(entry), '00:00:00.000 warn  rs485  no reply  unit=3  error="timed out"  port=/dev/ttyUSB0');
  assert.deepEqual(JSON.parse(formatJson(entry)), {
    ts: "1970-01-01T00:00:00.000Z",
    level: "warn",
    part: "rs485",
    msg: "no reply",
    unit: 3,
    error: "timed out",
    port: "/dev/ttyUSB0",
  });
});

test("the version is package.json's", () => {
  const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  assert.equal(VERSION, manifest.version);
});
