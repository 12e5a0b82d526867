import assert from "node:assert/strict";
import { test } from "node:test";
import { Logger } from "../../../core/log.ts";
import { openNotifier } from "../../../daemon/service/notify.ts";
import { type StatusParts, statusLine } from "../../../daemon/service/status-line.ts";

function bench(environment: Record<string, string>, fail?: () => Error | undefined) {
  const sent: string[] = [];
  const logged: string[] = [];
  const log = new Logger("service", ({ level, text }) => logged.push(`${level} ${text}`));
  const notifier = openNotifier(log, environment, (fd, text) => {
    const error = fail?.();
    if (error !== undefined) throw error;
    sent.push(`${fd} ${text}`);
  });
  return { notifier, sent, logged };
}

const systemError = (code: string): Error => Object.assign(new Error(code), { code });

test("each notice is one datagram with what sd_notify(3) wants", () => {
  const { notifier, sent } = bench({ NOTIFY_SOCKET: "/run/x", BUSBAR_NOTIFY_FD: "3" });
  assert.equal(notifier.open, true);
  const beforeUs = process.hrtime.bigint() / 1000n;
  notifier.ready("all\nwell");
  notifier.status("still");
  notifier.reloading("reading");
  notifier.alive();
  notifier.stopping("stopping");
  const us = BigInt(/MONOTONIC_USEC=(\d+)/.exec(sent[2] ?? "")?.[1] ?? "0");
  assert.ok(us >= beforeUs && us <= process.hrtime.bigint() / 1000n);
  assert.deepEqual(
    sent.map((text) => text.replace(/USEC=\d+/, "USEC=…")),
    [
      "3 READY=1\nSTATUS=all well",
      "3 STATUS=still",
      "3 RELOADING=1\nMONOTONIC_USEC=…\nSTATUS=reading",
      "3 WATCHDOG=1",
      "3 STOPPING=1\nSTATUS=stopping",
    ],
  );
});

test("without systemd nothing is told; with it and without the launcher that is said", () => {
  const alone = bench({});
  alone.notifier.ready("well");
  assert.deepEqual([alone.notifier.open, alone.sent, alone.logged], [false, [], []]);
  const launched = bench({ NOTIFY_SOCKET: "/run/x" });
  launched.notifier.ready("well");
  assert.deepEqual(launched.sent, []);
  assert.deepEqual(launched.logged, ["warn systemd waits to be notified, but not by way of notify-launcher"]);
});

test("the watchdog's period is the one of this process, else half a minute", () => {
  const period = (environment: Record<string, string>): number => bench(environment).notifier.watchdogMs;
  assert.equal(period({ WATCHDOG_USEC: "3000000" }), 3000);
  assert.equal(period({ WATCHDOG_USEC: "3000000", WATCHDOG_PID: String(process.pid) }), 3000);
  assert.equal(period({ WATCHDOG_USEC: "3000000", WATCHDOG_PID: "1" }), 30_000);
  assert.equal(period({ WATCHDOG_USEC: "0" }), 30_000);
  assert.equal(period({}), 30_000);
});

test("a socket that takes nothing costs nothing, and is told once", () => {
  let error: Error | undefined = systemError("EAGAIN");
  const { notifier, sent, logged } = bench({ BUSBAR_NOTIFY_FD: "3" }, () => error);
  notifier.alive();
  assert.deepEqual(logged, []);
  error = systemError("ECONNREFUSED");
  notifier.alive();
  notifier.alive();
  assert.equal(logged.length, 1);
  assert.match(logged[0] ?? "", /^warn systemd cannot be notified \(ECONNREFUSED\); /);
  error = undefined;
  notifier.alive();
  assert.deepEqual(sent, ["3 WATCHDOG=1"]);
});

test("the status line tells what a technician looks for", () => {
  const source = (id: string, state: "up" | "degraded" | "down" | "starting") => ({ id, state });
  const table: [StatusParts, string][] = [
    [
      { sources: [source("a", "starting")], uplink: undefined, outbox: undefined },
      "0 of 1 sources live (not: a), uplink not started, outbox opening",
    ],
    [
      {
        sources: [source("a", "up"), source("b", "degraded"), source("c", "down")],
        uplink: { state: "up" },
        outbox: { state: "ok", waiting: 0 },
      },
      "2 of 3 sources live (not: c), uplink connected, 0 records waiting",
    ],
    [
      {
        sources: ["a", "b", "c", "d"].map((id) => source(id, "down")),
        uplink: { state: "refused" },
        outbox: { state: "unwritable", waiting: 1 },
      },
      "0 of 4 sources live (not: a, b, c, …), uplink refused by the server, 1 record waiting, outbox cannot be written",
    ],
  ];
  for (const [parts, line] of table) assert.equal(statusLine(parts), line);
});
