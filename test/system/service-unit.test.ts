/** The unit files: what systemd itself says of them, and that they name what the package installs. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const unitFile = (name: string): string => fileURLToPath(new URL(`../../systemd/${name}`, import.meta.url));
const UNIT = unitFile("busbar.service");
const UNITS = ["busbar.service", "busbar-bridge.service"];
const LAUNCHER = fileURLToPath(new URL("../../systemd/notify-launcher", import.meta.url));
const MAX_EXPOSURE = 2.0;

/** The values of a key, in the order of the file. */
function values(key: string, file = UNIT): string[] {
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));
}

for (const name of UNITS) {
  test(`systemd-analyze security: ${name} at most ${MAX_EXPOSURE}`, (t) => {
    const args = ["security", "--offline=yes", "--no-pager", unitFile(name)];
    const { error, stdout, stderr } = spawnSync("systemd-analyze", args, { encoding: "utf8" });
    if (error !== undefined) return t.skip("systemd-analyze is not installed (apt-get install systemd)");
    const score = /Overall exposure level for [\w.-]+: ([\d.]+)/.exec(stdout)?.[1];
    assert.ok(score !== undefined, stderr);
    t.diagnostic(`exposure ${score}`);
    assert.ok(Number(score) <= MAX_EXPOSURE, stdout);
  });

  test(`systemd-analyze verify has nothing to say of ${name} but for what is not installed here`, (t) => {
    const { error, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", unitFile(name)], {
      encoding: "utf8",
    });
    if (error !== undefined) return t.skip("systemd-analyze is not installed (apt-get install systemd)");
    const ours = stderr.split("\n").filter((line) => line.includes(name));
    assert.deepEqual(
      ours.filter((line) => !line.endsWith("is not executable: No such file or directory")),
      [],
    );
  });
}

test("the bridge's unit starts it again after all but a wrong configuration, and gives it time to end in order", () => {
  const file = unitFile("busbar-bridge.service");
  assert.deepEqual(values("ExecStart", file), ["/usr/bin/busbar bridge run --config /etc/busbar/bridge.yaml"]);
  assert.deepEqual(values("Restart", file), ["always"]);
  assert.deepEqual(values("RestartPreventExitStatus", file), ["78"]);
  assert.deepEqual(values("StartLimitIntervalSec", file), ["0"]);
  assert.ok(Number(values("TimeoutStopSec", file)[0]) > 20);
});

test("its restart policy, its watchdog and its reload are what the documentation promises", () => {
  assert.deepEqual(values("Type"), ["notify"]);
  assert.deepEqual(values("Restart"), ["always"]);
  assert.deepEqual(values("RestartSec"), ["2"]);
  assert.deepEqual(values("StartLimitIntervalSec"), ["0"]);
  assert.deepEqual(values("WatchdogSec"), ["30"]);
  // The check first: `systemctl reload` fails with a wrong file, and the gateway is not asked to read it.
  assert.deepEqual(
    values("ExecReload").map((line) => line.split(" ").slice(0, 2).join(" ")),
    ["/usr/bin/busbar check", "/bin/kill -HUP"],
  );
  assert.deepEqual(values("Requires"), []);
});

test("the launcher that the unit names is here, and may be executed", () => {
  assert.match(values("ExecStart")[0] ?? "", /^\/usr\/lib\/busbar\/notify-launcher \/usr\/bin\/busbar run /);
  assert.ok(existsSync(LAUNCHER));
  assert.equal(statSync(LAUNCHER).mode & 0o111, 0o111);
});
