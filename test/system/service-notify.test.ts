/** The gateway as systemd sees it: what it is told through notify-launcher, and when the watchdog is not fed. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { GatewayProcess } from "../support/gateway-process.ts";
import { hangThread } from "../support/inspected.ts";
import { LAUNCHER, NO_PERL, NotifySocket } from "../support/notify-socket.ts";
import { startTrial } from "../support/trial.ts";
import { until } from "../support/wait.ts";

const WATCHDOG_MS = 3000;
/** Nobody listens on the discard port. */
const NOWHERE = { url: "mqtt://127.0.0.1:9" };
const NO_BUS = [
  { id: "bus", driver: "can", interface: "sim:none", devices: [{ id: "van-7", profile: "busbar-sim-van" }] },
];

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "busbar-service-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** As under systemd with `WatchdogSec=3`. */
function underSystemd(socket: NotifySocket) {
  return { launcher: LAUNCHER, env: { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: String(WATCHDOG_MS * 1000) } };
}

const feeds = (socket: NotifySocket): number => socket.with("WATCHDOG").length;

describe("under systemd", { concurrency: 2, skip: NO_PERL }, () => {
  test("ready once the depot is read; fed; a wrong file is told in the status; stopping", async (t) => {
    using socket = await NotifySocket.open(folder(t));
    await using trial = await startTrial("the stand-in cloud", underSystemd(socket));
    const { gateway } = trial;
    await until("READY=1", () => socket.with("READY").length === 1, 20_000);
    const status = socket.with("READY")[0]?.fields.STATUS ?? "";
    assert.match(status, /^\d of 4 sources live( \(not: [\w, -]+\))?, uplink [a-z]+, \d+ records? waiting$/);
    const before = feeds(socket);
    await until("the watchdog is fed", () => feeds(socket) > before + 4, 10_000);

    const good = readFileSync(gateway.configFile, "utf8");
    writeFileSync(gateway.configFile, good.replace("version: 1", "version: 2"));
    process.kill(gateway.pid, "SIGHUP");
    await until("ready again", () => socket.with("READY").length === 2, 10_000);
    const [reloading] = socket.with("RELOADING");
    assert.match(reloading?.fields.MONOTONIC_USEC ?? "", /^\d+$/);
    const refused = socket.with("READY")[1]?.fields.STATUS ?? "";
    assert.match(
      refused,
      /^configuration refused, running on with the old one: .*busbar\.yaml:1: version: .*; \d of 4 sources live/,
    );

    writeFileSync(gateway.configFile, good);
    process.kill(gateway.pid, "SIGHUP");
    await until("ready once more", () => socket.with("READY").length === 3, 20_000);
    assert.match(socket.with("READY")[2]?.fields.STATUS ?? "", /^\d of 4 sources live/);

    assert.equal(await gateway.end("SIGTERM"), 0);
    await until("STOPPING=1", () => socket.with("STOPPING").length === 1, 5000);
    assert.doesNotMatch(gateway.stderr, /"part":"service","msg":".*(watchdog|notified)/);
  });

  test("no bus, no cloud, no disk: known to be bad is alive", async (t) => {
    const dir = folder(t);
    writeFileSync(join(dir, "blocker"), "");
    using socket = await NotifySocket.open(dir);
    const store = { path: join(dir, "blocker", "outbox.db") };
    await using gateway = new GatewayProcess({ dir, sources: NO_BUS, uplink: NOWHERE, store, ...underSystemd(socket) });
    await gateway.start();
    await until("READY=1", () => socket.with("READY").length === 1, 20_000);
    const line = /^0 of 1 sources live \(not: bus\), uplink [a-z]+, 0 records waiting, outbox cannot be written$/;
    await until(
      "the status tells all of it",
      () => socket.with("STATUS").some(({ fields }) => line.test(fields.STATUS ?? "")),
      30_000,
    );
    // For longer than any part may be silent: it is fed three times in each period.
    await until("it is fed for four periods", () => feeds(socket) > 4 * 3, 30_000);
    const gaps = socket.with("WATCHDOG").map(({ atMs }, i, all) => atMs - (all[i - 1]?.atMs ?? atMs));
    assert.ok(Math.max(...gaps) < WATCHDOG_MS, `fed every ${Math.max(...gaps)} ms at worst`);
    assert.doesNotMatch(gateway.stderr, /watchdog/);
    assert.equal(await gateway.end("SIGTERM"), 0);
  });

  test("ready waits for a status page that is slow to come", async (t) => {
    const dir = folder(t);
    using socket = await NotifySocket.open(dir);
    const nodeArgs = ["--import", new URL("../support/slow-status.ts", import.meta.url).href];
    const options = { dir, sources: NO_BUS, uplink: NOWHERE, nodeArgs, ...underSystemd(socket) };
    await using gateway = new GatewayProcess(options);
    const answered = gateway.start(30_000);
    const ready = until("READY=1", () => socket.with("READY").length === 1, 30_000);
    const snapshot = await ready.then(() => gateway.snapshot());
    await answered;
    assert.notEqual(snapshot, undefined, "ready, and no page");
  });

  for (const thread of ["storage", "status"]) {
    test(`a ${thread} thread that hangs: told on stderr, then the watchdog starves`, async (t) => {
      const dir = folder(t);
      using socket = await NotifySocket.open(dir);
      const nodeArgs = ["--inspect=127.0.0.1:0"];
      const options = { dir, sources: NO_BUS, uplink: NOWHERE, nodeArgs, ...underSystemd(socket) };
      await using gateway = new GatewayProcess(options);
      await gateway.start();
      await until("the watchdog is fed", () => feeds(socket) > 2, 20_000);
      await hangThread(gateway.stderr, thread);
      const told = `the ${thread} thread hangs: silent for `;
      await until("it is told", () => gateway.stderr.includes(told), 20_000);
      assert.match(gateway.stderr, /hangs: silent for \d+ s; the watchdog is not fed: systemd restarts the gateway"/);
      await until(
        "the status tells it",
        () => socket.with("STATUS").some(({ fields }) => fields.STATUS?.includes(told)),
        15_000,
      );
      const unfedMs = (): number => performance.now() - (socket.with("WATCHDOG").at(-1)?.atMs ?? Number.NaN);
      await until("systemd would have acted", () => unfedMs() > WATCHDOG_MS, 10_000);
    });
  }
});
