import assert from "node:assert/strict";
import { test } from "node:test";
import { SystemClock } from "../../../core/clock.ts";
import { BusbarError } from "../../../core/errors.ts";
import { type LogEntry, Logger } from "../../../core/log.ts";
import { uplinkConfig } from "../../../store-forward/config.ts";
import { Standing } from "../../../store-forward/uplink/standing.ts";

const URL = "mqtt://127.0.0.1:1883";

function standing() {
  const logged: LogEntry[] = [];
  const now = { ms: 0 };
  const clock = new SystemClock();
  clock.monoMs = () => now.ms;
  clock.wallUs = () => (1_800_000_000_000 + now.ms) * 1000;
  const log = new Logger("uplink", (entry) => logged.push(entry));
  const texts = (): string[] => logged.splice(0).map(({ level, text }) => `${level} ${text}`);
  return { now, texts, at: new Standing({ log, clock, config: uplinkConfig.parse({ url: URL }) }) };
}

const lost = (text: string): BusbarError => new BusbarError("UPLINK_LOST", text);

test("a lost link is information, a refusal a warning; each text is told once in ten minutes, and `up` after it", () => {
  const { now, texts, at } = standing();
  at.up("5", 1);
  assert.deepEqual(texts(), ["info uplink up"]);
  at.lost(lost("reset"));
  at.up("5", 2);
  assert.deepEqual(texts(), ["info uplink lost", "info uplink up"]);
  at.lost(lost("reset"));
  at.up("5", 3);
  assert.deepEqual(texts(), [], "a link that flaps says nothing new");
  at.lost(new BusbarError("UPLINK_REFUSED", "no"));
  assert.deepEqual(texts(), ["warn uplink refused"]);
  now.ms = 600_000;
  at.lost(lost("reset"));
  assert.deepEqual(texts(), ["info uplink lost"]);
});

test("why the last link ended stands while the next is tried, and not when it is up", () => {
  const { at } = standing();
  assert.deepEqual([at.state, at.error], ["connecting", undefined]);
  at.lost(new BusbarError("UPLINK_STALLED", "silent"));
  assert.deepEqual([at.state, at.error], ["stalled", "silent"]);
  at.connecting();
  assert.deepEqual([at.state, at.error], ["connecting", "silent"]);
  at.up("5", 2);
  assert.deepEqual([at.state, at.error], ["up", undefined]);
  at.stopped();
  assert.deepEqual([at.state, at.error], ["down", "stopped"]);
});

test("since when: of a change of state, not of another reason for the same", () => {
  const { now, at } = standing();
  at.lost(lost("one"));
  const { sinceMs } = at;
  now.ms = 5000;
  at.lost(lost("another"));
  assert.equal(at.sinceMs, sinceMs);
  at.connecting();
  assert.equal(at.sinceMs, sinceMs + 5000);
});

test("one warning stands for each matter, until the next connection; the log hears it once", () => {
  const { texts, at } = standing();
  assert.equal(at.warning, undefined);
  at.warn("qos", "QoS 1 at most");
  at.warn("state", "another device");
  at.warn("qos", "QoS 1 at most");
  at.warn("state", "yet another device");
  assert.equal(at.warning, "QoS 1 at most; yet another device");
  at.connecting();
  assert.equal(at.warning, undefined);
  at.warn("qos", "QoS 1 at most");
  assert.equal(at.warning, "QoS 1 at most");
  assert.deepEqual(texts(), ["warn QoS 1 at most", "warn another device", "warn yet another device"]);
});
