/** From a bare Debian to values in the cloud, as an installer does it. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, test } from "node:test";
import { until } from "../../support/wait.ts";
import { attempt, CONFIG, explain, journal, NOT_GUEST, property, RESULTS, run, SOON_MS, STATE, UNIT } from "./guest.ts";
import { answered, drained, ready } from "./service.ts";
import { editConfiguration, filesOf, followGateway, startSite } from "./site.ts";

const WORST_EXPOSURE = 2.0;
const SYSCTL = "/usr/lib/sysctl.d";
const RULES = "/usr/lib/udev/rules.d";

describe("installation", { skip: NOT_GUEST, timeout: 420_000 }, () => {
  afterEach(explain);

  test("apt installs the package without a network; the unit knows what its documentation says", async (t) => {
    const from = performance.now();
    await run("apt-get", "install", "-y", "-o", "APT::Sandbox::User=root", join(RESULTS, "busbar.deb"));
    t.diagnostic(`installed in ${((performance.now() - from) / 1000).toFixed(0)} s`);
    const [, , uid, , , home, shell] = (await run("getent", "passwd", "busbar")).trim().split(":");
    assert.ok(Number(uid) < 1000, `uid ${uid} is no system user's`);
    assert.match(`${home} ${shell}`, /^\S+ \/usr\/sbin\/nologin$/);
    assert.match(await run("id", "-nG", "busbar"), /\bdialout\b/);
    // The example names a site that nobody has: it is not started before somebody has edited it.
    assert.equal(await property("ActiveState"), "inactive");
    assert.equal((await run("systemd-analyze", "verify", "--man=no", `/usr/lib/systemd/system/${UNIT}`)).trim(), "");
  });

  test("`busbar check` accepts the example that the package brings", async () => {
    await run("runuser", "-u", "busbar", "--", "busbar", "check", "--config", CONFIG);
  });

  test("the receive buffer of CAN sockets is what the package's sysctl file says", async () => {
    const file = readdirSync(SYSCTL).find((name) => name.includes("busbar")) ?? "";
    const wanted = /^net\.core\.rmem_default\s*=\s*(\d+)$/m.exec(readFileSync(join(SYSCTL, file), "utf8"))?.[1];
    assert.equal((await run("sysctl", "-n", "net.core.rmem_default")).trim(), wanted);
  });

  test("udev understands the rules", async () => {
    const names = readdirSync(RULES).filter((name) => name.includes("busbar"));
    assert.ok(names.length > 0);
    // What `udevadm verify` is from systemd 254 on: every file is read anew, and mistakes are told by file and line.
    const { stderr, stdout } = await attempt("udevadm", "test", "/sys/class/tty/ttyS0");
    for (const name of names) {
      const said = `${stdout}${stderr}`.split("\n").filter((line) => line.includes(name));
      assert.deepEqual(
        said.map((line) => line.replace(/^.*Reading rules file: /, "")),
        [join(RULES, name)],
      );
    }
  });

  test("systemd-analyze finds little that the service could do harm with", async (t) => {
    const told = await run("systemd-analyze", "security", "--no-pager", UNIT);
    const summary = told.split("\n").find((line) => line.includes("Overall exposure level")) ?? "";
    t.diagnostic(summary.trim());
    assert.ok(Number(/: (\d+\.\d+) /.exec(summary)?.[1]) <= WORST_EXPOSURE, told);
  });

  test("one file is edited, the service started: ready when every source is open", async (t) => {
    await startSite("first");
    await followGateway("first");
    editConfiguration();
    await run("busbar", "check", "--config", CONFIG);
    const from = Date.now();
    await run("systemctl", "enable", "--now", UNIT);
    t.diagnostic(`ready after ${((Date.now() - from) / 1000).toFixed(1)} s`);
    const now = await answered();
    const unknown = now.sources.filter(({ state }) => state === "starting");
    assert.deepEqual(unknown, [], await journal(from));
    t.diagnostic(await property("StatusText"));
    await ready();
    const status = async (): Promise<boolean> => /2 of 2 sources/.test(await property("StatusText"));
    await until("systemctl status tells of the sources", status, SOON_MS);
  });

  test("only root and the service read the configuration, and only the service its state", async () => {
    for (const [path, owner, mode] of [
      [CONFIG, "root:busbar", 0o640],
      [STATE, "busbar:busbar", 0o750],
    ] as const) {
      const { stdout } = await attempt("stat", "-c", "%U:%G", path);
      assert.equal(stdout.trim(), owner, path);
      assert.equal(statSync(path).mode & 0o777, mode, path);
    }
    assert.match(await run("dpkg", "--status", "busbar"), /^Conffiles:\n(?: .*\n)* \/etc\/busbar\/busbar\.yaml /m);
  });

  test("the values of serial line and CAN are on the local broker and reach the cloud", async () => {
    for (const [asset, signal] of [
      ["meter-1", "Energy.Active.Import.Register"],
      ["van-7", "Vehicle.Speed"],
    ] as const) {
      const local = await run(
        "mosquitto_sub",
        "-h",
        "127.0.0.1",
        "-p",
        "1883",
        "-C",
        "1",
        "-W",
        "30",
        "-t",
        `busbar/${asset}`,
      );
      const values = (JSON.parse(local) as { values: Record<string, { v: unknown; q: string }> }).values;
      assert.equal(values[signal]?.q, "good", local);
      const arrived = (): boolean => readFileSync(filesOf("first").cloud, "utf8").includes(`/data/${asset} `);
      await until(`a record of ${asset} is in the cloud`, arrived, SOON_MS);
    }
    await drained();
  });
});
