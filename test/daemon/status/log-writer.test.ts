import assert from "node:assert/strict";
import test from "node:test";
import type { LogEntry } from "../../../core/log.ts";
import { LogWriter } from "../../../daemon/status/log-writer.ts";
import { until } from "./messages.ts";

const ENTRY: LogEntry = {
  ts: 1795226001123,
  level: "warn",
  part: "uplink",
  text: "connection lost",
  fields: { tries: 3 },
};

/** A stderr that takes `room` bytes and then answers like a full pipe. */
class FakeStderr {
  text = "";
  room = Number.POSITIVE_INFINITY;
  gone = false;

  readonly write = (bytes: Uint8Array): number => {
    if (this.gone) throw Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
    if (this.room === 0) throw Object.assign(new Error("write EAGAIN"), { code: "EAGAIN" });
    const taken = Math.min(this.room, bytes.length);
    this.room -= taken;
    this.text += Buffer.from(bytes.subarray(0, taken)).toString();
    return taken;
  };
}

function writer(
  format: "text" | "json" | "none",
  stderr: FakeStderr,
  looks: { colour?: boolean; journal?: boolean } = {},
) {
  return new LogWriter({ format, write: stderr.write, colour: false, journal: false, ...looks });
}

test("text for people, JSON lines for machines, priorities for the journal, nothing for none", () => {
  const stderr = new FakeStderr();
  writer("text", stderr).write(ENTRY);
  writer("text", stderr, { colour: true }).write(ENTRY);
  writer("json", stderr).write(ENTRY);
  writer("json", stderr, { journal: true }).write({ ...ENTRY, level: "error" });
  writer("none", stderr).write(ENTRY);
  assert.deepEqual(stderr.text.split("\n"), [
    "01:53:21.123 warn  uplink  connection lost  tries=3",
    "\x1b[33m01:53:21.123 warn  uplink  connection lost  tries=3\x1b[0m",
    '{"ts":"2026-11-21T01:53:21.123Z","level":"warn","part":"uplink","msg":"connection lost","tries":3}',
    '<3>{"ts":"2026-11-21T01:53:21.123Z","level":"error","part":"uplink","msg":"connection lost","tries":3}',
    "",
  ]);
});

test("one entry is one line whatever it holds", () => {
  const stderr = new FakeStderr();
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  for (const format of ["text", "json"] as const) {
    const to = writer(format, stderr);
    to.write({ ...ENTRY, text: "a\nforged line\x1b[2J", fields: { text: "b\nc" } });
    to.write({ ...ENTRY, fields: { big: 1n } });
    to.write({ ...ENTRY, fields: circle });
  }
  assert.equal(stderr.text.split("\n").length, 7);
  assert.doesNotMatch(stderr.text, /[^\P{Cc}\n]/u);
});

test("a full pipe delays lines and loses none of them", async () => {
  const stderr = new FakeStderr();
  const to = writer("json", stderr);
  stderr.room = 30;
  for (let n = 0; n < 10; n++) to.write({ ...ENTRY, fields: { n } });
  assert.equal(stderr.text.length, 30);
  stderr.room = Number.POSITIVE_INFINITY;
  const keepAlive = setInterval(() => undefined, 1000);
  await until(() => stderr.text.includes('"n":9}\n'));
  clearInterval(keepAlive);
  const lines = stderr.text
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { n: number }).n);
  assert.deepEqual(lines, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(to.dropped, 0);
});

test("a pipe that nobody reads costs bounded memory; what was dropped is counted and told", () => {
  const stderr = new FakeStderr();
  const to = writer("json", stderr);
  stderr.room = 0;
  const long = "x".repeat(10_000);
  for (let n = 0; n < 200; n++) to.write({ ...ENTRY, text: long });
  assert.ok(to.dropped > 50 && to.dropped < 150, String(to.dropped));
  stderr.room = Number.POSITIVE_INFINITY;
  to.flush();
  to.write(ENTRY);
  assert.ok(stderr.text.includes(`${to.dropped} log lines dropped`));
});

test("a reader that is gone ends the writing, not the daemon", () => {
  const stderr = new FakeStderr();
  stderr.gone = true;
  const to = writer("text", stderr);
  to.write(ENTRY);
  to.write(ENTRY);
  assert.equal(to.dropped, 2);
});
