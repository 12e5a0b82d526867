/** What happens to a gateway that nobody is near. Whatever it had promised is in the cloud at the end. */
import assert from "node:assert/strict";
import { appendFileSync, existsSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, test } from "node:test";
import { until } from "../../support/wait.ts";
import { verdictOf } from "./evidence.ts";
import { attempt, CONFIG, explain, journal, mainPid, NOT_GUEST, property, run, SOON_MS, STATE, UNIT } from "./guest.ts";
import { drained, durableSince, ready, restarted, snapshot } from "./service.ts";
import { editConfiguration, startCloud, stopCloud } from "./site.ts";

/** RestartSec= is 2 s; systemd is slow here. */
const RESTARTED_WITHIN_MS = 4000;
/** WatchdogSec= and TimeoutAbortSec= of the unit, and what a start takes. */
const HUNG_LIMIT_MS = 180_000;

/** The first one, after SIGKILL, with the good file, after the watchdog. */
const STARTS = 4;
/** What the outbox holds in reserve against a full disk; it is taken at most once a minute. */
const RESERVE = join(STATE, "outbox.db.ballast");
const DISK_LIMIT_MS = 100_000;

describe("trouble", { skip: NOT_GUEST, timeout: 700_000 }, () => {
  afterEach(explain);

  test("killed: systemd starts it again two seconds later", async (t) => {
    const pid = mainPid();
    await durableSince(Date.now());
    // The same clock as systemd's monotonic time stamps.
    const killedUs = Number(process.hrtime.bigint() / 1000n);
    process.kill(pid, "SIGKILL");
    await restarted(pid, SOON_MS);
    const pauseMs = (Number(await property("ExecMainStartTimestampMonotonic")) - killedUs) / 1000;
    t.diagnostic(`started again after ${pauseMs.toFixed(0)} ms`);
    assert.ok(pauseMs > 0 && pauseMs < RESTARTED_WITHIN_MS, `${pauseMs} ms`);
    await ready();
  });

  test("a wrong file is refused, the journal says why, and the gateway goes on", async () => {
    const good = readFileSync(CONFIG, "utf8");
    const pid = mainPid();
    const from = Date.now();
    writeFileSync(CONFIG, good.replace("unit: 1", "unit: 999"));
    assert.notEqual((await attempt("systemctl", "reload", UNIT)).code, 0);
    assert.match(await journal(from), /busbar\.yaml:\d+: sources\[0\]\.devices\[0\]\.unit: is 999/);
    const direct = Date.now();
    process.kill(pid, "SIGHUP");
    const told = async (): Promise<boolean> => /sources\[0\]\.devices\[0\]\.unit: is 999/.test(await journal(direct));
    await until("the journal tells what a bare SIGHUP was refused for", told, SOON_MS);
    writeFileSync(CONFIG, good);
    assert.equal(mainPid(), pid);
    await durableSince(Date.now());
  });

  test("a good file is applied", async () => {
    const from = Date.now();
    editConfiguration({ fast_path: { to: ["127.0.0.1:47099"] } });
    await run("systemctl", "reload", UNIT);
    const applied = async (): Promise<boolean> => {
      return (await snapshot())?.fast_path.targets.includes("127.0.0.1:47099") === true;
    };
    await until("the status page shows the new target", applied, SOON_MS);
    assert.equal(await property("Result"), "success");
    await ready();
    await durableSince(Date.now());
    assert.doesNotMatch(await journal(from), /refused|error/i);
  });

  test("a disk that others fill: its reserve keeps the outbox going until there is space again", async () => {
    await stopCloud();
    const filler = join(STATE, "filler");
    assert.ok(existsSync(RESERVE));
    fill(filler);
    await until("the outbox has given its reserve back", () => !existsSync(RESERVE), DISK_LIMIT_MS);
    await durableSince(Date.now());
    rmSync(filler);
    await startCloud();
    await drained();
    const { outbox, health } = (await snapshot()) ?? {};
    assert.equal(outbox?.state, "ok");
    assert.doesNotMatch(String(health?.reasons), /outbox|disk/);
  });

  test("hung: the watchdog ends it and systemd starts it again", async (t) => {
    const pid = mainPid();
    const from = Date.now();
    process.kill(pid, "SIGSTOP");
    await restarted(pid, HUNG_LIMIT_MS);
    t.diagnostic(`another process after ${((Date.now() - from) / 1000).toFixed(0)} s`);
    assert.match(await journal(from), /Watchdog timeout/);
    await ready();
  });

  test("all that was promised is in the cloud, nothing twice, nothing invented", async (t) => {
    await durableSince(Date.now());
    await drained();
    const verdict = await verdictOf(["first"]);
    t.diagnostic(`${verdict.samples} samples in ${verdict.records} records, ${verdict.gaps.length} gaps`);
    assert.deepEqual(verdict.violations, []);
    assert.equal(verdict.starts, STARTS);
    assert.ok(verdict.samples > 200, `${verdict.samples} samples`);
  });

  test("the cloud goes away; the mains fail after this in the middle of a write", async () => {
    await stopCloud();
    await durableSince(Date.now() + 3000);
  });
});

/** Takes all the space that there is. */
function fill(path: string): void {
  const { bavail, bsize } = statfsSync(STATE);
  if (bavail > 0) appendFileSync(path, Buffer.alloc(bavail * bsize));
}
