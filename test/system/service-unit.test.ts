/** The unit file: what systemd itself says of it, and that it names what the package installs. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const UNIT = fileURLToPath(new URL("../../systemd/busbar.service", import.meta.url));
const LAUNCHER = fileURLToPath(new URL("../../systemd/notify-launcher", import.meta.url));
const MAX_EXPOSURE = 2.0;

/** The values of a key, in the order of the file. */
function values(key: string): string[] {
  const lines = readFileSync(UNIT, "utf8").split("\n");
  return lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));
}

test(`systemd-analyze security: at most ${MAX_EXPOSURE}`, (t) => {
  const { error, stdout, stderr } = spawnSync("systemd-analyze", ["security", "--offline=yes", "--no-pager", UNIT], {
    encoding: "utf8",
  });
  if (error !== undefined) return t.skip("systemd-analyze is not installed (apt-get install systemd)");
  const score = /Overall exposure level for busbar\.service: ([\d.]+)/.exec(stdout)?.[1];
  assert.ok(score !== undefined, stderr);
  t.diagnostic(`exposure ${score}`);
  assert.ok(Number(score) <= MAX_EXPOSURE, stdout);
});

test("systemd-analyze verify has nothing to say of it but for what is not installed here", (t) => {
  const { error, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", UNIT], { encoding: "utf8" });
  if (error !== undefined) return t.skip("systemd-analyze is not installed (apt-get install systemd)");
  const ours = stderr.split("\n").filter((line) => line.includes("busbar.service") || line.startsWith(UNIT));
  assert.deepEqual(
    ours.filter((line) => !line.endsWith("is not executable: No such file or directory")),
    [],
  );
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
