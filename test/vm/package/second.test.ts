/** After a power cut in the middle of a write: what the outbox had promised; then upgrade, removal and purge. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, before, describe, test } from "node:test";
import { durableUntil, verdictOf } from "./evidence.ts";
import { attempt, CONFIG, explain, mainPid, NOT_GUEST, property, RESULTS, run, SOON_MS, STATE, UNIT } from "./guest.ts";
import { drained, durableSince, ready, restarted, snapshot } from "./service.ts";
import { followGateway, startSite, stopSite } from "./site.ts";

const LIVES = ["first", "second"];

describe("after the cut", { skip: NOT_GUEST, timeout: 360_000 }, () => {
  before(async () => {
    await followGateway("second");
    await startSite("second");
  });
  afterEach(explain);

  test("the gateway has started with the machine; its buses, which came later, heal by themselves", async () => {
    await ready();
    assert.equal(await property("NRestarts"), "0");
  });

  test("nothing up to the last durable_until is lost", async (t) => {
    const promised = durableUntil("first");
    assert.ok(promised > 0 && promised < Date.now());
    await durableSince(Date.now());
    await drained();
    const verdict = await verdictOf(LIVES);
    t.diagnostic(
      `promised until ${new Date(promised).toISOString()}; ${verdict.samples} samples, ${verdict.records} records`,
    );
    assert.deepEqual(verdict.violations, []);
  });

  test("an upgrade starts the new version with the data and the configuration of the old one", async () => {
    const config = readFileSync(CONFIG, "utf8");
    const epoch = (await snapshot())?.outbox?.epoch;
    const pid = mainPid();
    await run("dpkg", "--install", join(RESULTS, "upgrade.deb"));
    assert.match(await run("dpkg", "--status", "busbar"), /^Version: \S+\+upgrade$/m);
    await restarted(pid, SOON_MS);
    await ready();
    assert.equal(readFileSync(CONFIG, "utf8"), config);
    assert.equal((await snapshot())?.outbox?.epoch, epoch);
    await durableSince(Date.now());
    await drained();
    const verdict = await verdictOf(LIVES);
    assert.deepEqual(verdict.violations, []);
  });

  test("removed: the service is gone, data and configuration stay", async () => {
    await stopSite();
    await run("dpkg", "--remove", "busbar");
    assert.equal(await property("ActiveState"), "inactive");
    assert.equal((await attempt("systemctl", "cat", UNIT)).code, 1);
    for (const path of [CONFIG, join(STATE, "outbox.db")]) assert.ok(existsSync(path), path);
    for (const path of ["/usr/bin/busbar", "/usr/lib/busbar"]) assert.ok(!existsSync(path), path);
  });

  test("purged: nothing is left", async () => {
    // The state lies on a disk of its own here; postrm must find the usual folder.
    await run("cp", "-a", STATE, "/var/lib/copy");
    await run("umount", STATE);
    await run("cp", "-aT", "/var/lib/copy", STATE);
    await run("rm", "-r", "/var/lib/copy");
    await run("dpkg", "--purge", "busbar");
    // Of ours: the package in /results is not below these, the unit of the disk that was mounted is.
    const others = ["-path", "/var/log/*", "-o", "-path", "/run/systemd/generator/*"];
    const places = ["/etc", "/usr", "/var", "/run/systemd", "/root"];
    assert.equal(await run("find", ...places, "-iname", "*busbar*", "-not", "(", ...others, ")"), "");
    assert.equal((await attempt("getent", "passwd", "busbar")).code, 2);
    assert.equal((await attempt("getent", "group", "busbar")).code, 2);
    assert.doesNotMatch(await run("systemctl", "list-unit-files", "--no-pager"), /busbar\.service/);
    assert.equal((await attempt("dpkg-query", "-W", "busbar")).code, 1);
  });
});
