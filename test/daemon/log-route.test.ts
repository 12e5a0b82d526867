import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogEntry } from "../../core/log.ts";
import { LogRoute } from "../../daemon/log-route.ts";

function bench() {
  const written: string[] = [];
  const posted: string[] = [];
  let nowMs = 0;
  const route = new LogRoute({ write: ({ text }) => written.push(text), monoMs: () => nowMs, silentMs: 10_000 });
  return {
    route,
    written,
    posted,
    open: () => route.open(({ text }) => posted.push(text)),
    say: (text: string) => route.take({ ts: 0, level: "info", part: "test", text, fields: {} } satisfies LogEntry),
    wait: (ms: number) => {
      nowMs += ms;
      route.look();
    },
  };
}

test("lines wait for the status thread and go by way of it, in order", () => {
  const { say, wait, open, posted, written } = bench();
  say("one");
  wait(4000);
  say("two");
  open();
  say("three");
  assert.deepEqual([posted, written], [["one", "two", "three"], []]);
});

test("a status thread that never starts: after five seconds everything is written without it", () => {
  const { say, wait, open, posted, written } = bench();
  say("one");
  wait(5001);
  assert.deepEqual(written, ["one"]);
  say("two");
  assert.deepEqual(written, ["one", "two"]);
  open();
  say("three");
  assert.deepEqual([posted, written], [["three"], ["one", "two"]]);
});

test("a status thread that hangs is gone round until it speaks again", () => {
  const { route, say, wait, open, posted, written } = bench();
  open();
  wait(10_001);
  say("one");
  route.spoke();
  say("two");
  assert.deepEqual([posted, written], [["two"], ["one"]]);
});

test("after its death lines wait for the next one; at the end they are written", () => {
  const { route, say, open, posted, written } = bench();
  open();
  route.close();
  say("one");
  assert.deepEqual([posted, written], [[], []]);
  route.flush();
  assert.deepEqual(written, ["one"]);
});

test("more lines than it holds are written early, none is lost", () => {
  const { say, open, posted, written } = bench();
  for (let i = 0; i < 1500; i++) say(String(i));
  open();
  assert.equal(posted.length + written.length, 1500);
  assert.equal(written[0], "0");
});
